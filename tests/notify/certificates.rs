//! A CA, a server's certificate and a client's, made by openssl.

use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Certificates {
    directory: tempfile::TempDir,
}

impl Certificates {
    /// `ca`, `other` (another CA), `server` (for 127.0.0.1 and `localhost`), `wrong` (for
    /// `wrong.example`), `client`.
    pub(crate) fn make() -> Certificates {
        let made = Certificates { directory: tempfile::tempdir().unwrap() };
        for ca in ["ca", "other"] {
            let subject = format!("/CN={ca}");
            made.openssl(&[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-subj",
                &subject,
                "-days",
                "2",
                "-keyout",
                &format!("{ca}.key"),
                "-out",
                &format!("{ca}.pem"),
                "-addext",
                "basicConstraints=critical,CA:TRUE",
            ]);
        }
        made.issue("server", "IP:127.0.0.1,DNS:localhost");
        made.issue("wrong", "DNS:wrong.example");
        made.issue("client", "DNS:client.example");
        made
    }

    fn issue(&self, name: &str, alternative_names: &str) {
        let (request, extensions) = (format!("{name}.csr"), format!("{name}.ext"));
        let text = format!("subjectAltName={alternative_names}\n");
        std::fs::write(self.at(&extensions), text).unwrap();
        self.openssl(&[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            &format!("/CN={name}"),
            "-keyout",
            &format!("{name}.key"),
            "-out",
            &request,
        ]);
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            &extensions,
            "-out",
            &format!("{name}.pem"),
        ]);
    }

    fn openssl(&self, arguments: &[&str]) {
        let output =
            Command::new("openssl").args(arguments).current_dir(self.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}
