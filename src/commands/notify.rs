//! `gatelog notify test`: do alerts arrive.

use std::io::Write as _;
use std::process::ExitCode;

use super::arguments::Common;
use super::context::Failure;
use crate::clock::Clock;
use crate::config::{self, Config, Receiver};
use crate::escape::escape_text;
use crate::notify::{Proxies, Trial, try_out};

/// Where the system keeps this machine's name.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// Tests the receivers of these names, or all; 0 when all of them have taken it.
pub(super) fn test(common: &Common, names: &[String]) -> Result<ExitCode, Failure> {
    let path = common.config.as_ref();
    let path =
        path.ok_or_else(|| Failure::usage("receivers are in the configuration: --config FILE"))?;
    let config = config::load(path).map_err(Failure::Config)?;
    let receivers = chosen(&config, names)?;
    let page_url = config.http.page_url(common.listen.unwrap_or(config.http.listen));
    let host = std::fs::read_to_string(HOST_NAME).unwrap_or_default();
    let host = escape_text(host.trim().as_bytes()).into_owned();
    let clock = Clock::system();
    let proxies = Proxies::of_environment(&|name| std::env::var_os(name));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut all_taken = true;
    for receiver in receivers {
        let trying = try_out(receiver, &host, &page_url, proxies.clone(), &clock);
        for trial in runtime.block_on(trying) {
            all_taken &= trial.is_taken;
            say(receiver, &trial)?;
        }
    }
    Ok(if all_taken { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chosen<'a>(config: &'a Config, names: &[String]) -> Result<Vec<&'a Receiver>, Failure> {
    if config.receivers.is_empty() {
        return Err(Failure::usage("the configuration has no [[receiver]]"));
    }
    if names.is_empty() {
        return Ok(config.receivers.iter().collect());
    }
    let find = |name: &String| {
        let found = config.receivers.iter().find(|receiver| receiver.name == *name);
        found.ok_or_else(|| {
            let known: Vec<&str> = config.receivers.iter().map(|it| it.name.as_str()).collect();
            Failure::usage(format!("no receiver `{name}`: expected one of {}", known.join(", ")))
        })
    };
    names.iter().map(find).collect()
}

fn say(receiver: &Receiver, trial: &Trial) -> Result<(), Failure> {
    let Trial { to, what, said, is_taken } = trial;
    let verdict = if *is_taken { "taken" } else { "NOT taken" };
    let line = format!("{}: {what} to {to}: {verdict}: {said}", receiver.name);
    writeln!(std::io::stdout(), "{}", escape_text(line.as_bytes()))?;
    Ok(())
}
