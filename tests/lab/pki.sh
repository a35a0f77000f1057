#!/usr/bin/env bash
# A small PKI with every kind of client certificate that nginx can meet.
#
#   pki.sh DIR                                             makes all of it
#   pki.sh issue DIR NAME SUBJECT NOT_BEFORE NOT_AFTER     one more, by the issuing CA; SUBJECT as
#       '/O=payments/CN=x', times as date(1) reads them: '-1 hour', '+20 seconds'
#
# Leaves NAME.key and NAME.pem (the certificate and what the client sends after it) for each name in
# the README beside this script, client-ca.pem and the CRLs for nginx, server.pem, server-ca.pem for
# the clients, openssl.cnf for a curl that may send weak certificates, and certs.tsv, which says what
# openssl reads in each certificate. Needs openssl 3.0. Quiet, exit 0; else exit 1 with the reason.
set -euo pipefail
umask 077
export LC_ALL=C.UTF-8 # the UTF-8 subject
unset OPENSSL_CONF

LOG=$PWD/openssl.log
failed() {
  echo "pki.sh: line $1 failed; the end of $LOG:" >&2
  tail -n 5 "$LOG" >&2 || true
  exit 1
}
usage() {
  echo 'usage: pki.sh DIR | pki.sh issue DIR NAME SUBJECT NOT_BEFORE NOT_AFTER' >&2
  exit 2
}

# ------------------------------------------------------------------ one certificate

openssl_quiet() { openssl "$@" >>"$LOG" 2>&1; }

utc_stamp() { date -u -d "$1" +%Y%m%d%H%M%SZ; }

request() { # NAME SUBJECT [KEY OPTIONS]: a key and a request
  local name=$1 subject=$2
  shift 2
  [ $# -gt 0 ] || set -- -newkey ec -pkeyopt ec_paramgen_curve:prime256v1
  openssl_quiet req -new -config ca.cnf -nodes -utf8 -subj "$subject" \
    -keyout "$name.key" -out "issued/$name.csr" "$@"
}

sign() { # NAME ISSUER EXTENSIONS [X509 OPTIONS]: signed for a year from now
  local name=$1 issuer=$2 extensions=$3
  shift 3
  openssl_quiet x509 -req -in "issued/$name.csr" -CA "$issuer.crt" -CAkey "$issuer.key" -days 365 \
    -extfile ca.cnf -extensions "$extensions" -set_serial "0x$(openssl rand -hex 16)" \
    -out "$name.crt" "$@"
}

sign_dated() { # NAME ISSUER EXTENSIONS NOT_BEFORE NOT_AFTER
  openssl_quiet ca -batch -preserveDN -notext -config ca.cnf -cert "$2.crt" -keyfile "$2.key" \
    -in "issued/$1.csr" -out "$1.crt" -extfile ca.cnf -extensions "$3" \
    -startdate "$(utc_stamp "$4")" -enddate "$(utc_stamp "$5")"
}

sign_self() { # NAME EXTENSIONS
  openssl_quiet x509 -req -in "issued/$1.csr" -signkey "$1.key" -days 3650 -extfile ca.cnf \
    -extensions "$2" -out "$1.crt"
}

bundle() { # NAME [ISSUER...]: what the client sends
  local name=$1
  shift
  cat "$name.crt" "${@/%/.crt}" >"$name.pem"
}

# ------------------------------------------------------------------ kinds of certificate

authority() { # NAME SUBJECT: a root
  request "$1" "$2"
  sign_self "$1" authority
}

client() { # NAME SUBJECT [KEY OPTIONS]: by the issuing CA, sent with it
  request "$@"
  sign "$1" issuing client
  bundle "$1" issuing
}

dated_client() { # NAME SUBJECT NOT_BEFORE NOT_AFTER
  request "$1" "$2"
  sign_dated "$1" issuing client "$3" "$4"
  bundle "$1" issuing
}

describe() { # NAME: its line of certs.tsv
  openssl x509 -in "$1.crt" -noout -nameopt RFC2253 -fingerprint -sha1 -serial -dates -subject \
    -issuer | awk -v name="$1" -F '=' '
      { value = substr($0, length($1) + 2) }
      /Fingerprint=/ { gsub(":", "", value); value = tolower(value) }
      { line = line "\t" value }
      END { print name line }'
}

# ------------------------------------------------------------------ all of it

write_configuration() {
  cat >ca.cnf <<'CNF'
[req]
distinguished_name = req
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
[client]
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
[server]
extendedKeyUsage = serverAuth
subjectAltName = @names
[names]
IP.1 = 127.0.0.1
DNS.1 = on.lab
DNS.2 = optional.lab
DNS.3 = optional-no-ca.lab
DNS.4 = off.lab
DNS.5 = courtesy200.lab
DNS.6 = courtesy302.lab
DNS.7 = crl.lab
DNS.8 = stale-crl.lab
DNS.9 = proxy.lab
[ca]
default_ca = ca
database = index.txt
new_certs_dir = issued
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = optional
CNF
  printf '%s\n' 'openssl_conf = init' '[init]' 'ssl_conf = ssl' '[ssl]' 'system_default = weak' \
    '[weak]' 'CipherString = DEFAULT@SECLEVEL=0' >openssl.cnf
  : >index.txt
  : >openssl.log
}

make_authorities() {
  authority root '/O=gatelog lab/CN=Client Root CA'
  request issuing '/O=gatelog lab/CN=Client Issuing CA 1'
  sign issuing root authority
  authority root2027 '/O=gatelog lab/CN=Client Root CA 2027'
  authority rogue '/O=Not Ours/CN=Rogue CA'
  authority server-ca '/O=gatelog lab/CN=Server CA'
  cat root.crt root2027.crt >client-ca.pem
  cp server-ca.crt server-ca.pem
  request server '/CN=on.lab'
  sign server server-ca server
  bundle server server-ca
}

make_accepted_clients() {
  client good '/O=payments/CN=checkout-service'
  client ledger '/O=core/CN=ledger-service'
  request good-2027 '/O=payments/CN=checkout-service'
  sign good-2027 root2027 client
  bundle good-2027
  dated_client short-lived '/O=payments/CN=short-lived' '-1 hour' '+23 hours'
  client dn-comma '/O=Acme, Inc.; <Ops>/CN=edge\+eu, west'
  client dn-quote '/O=ops/CN=svc "edge"'
  # shellcheck disable=SC1003
  client dn-backslash '/O=ops/CN=back\\slash\\'
  client dn-utf8 '/O=Städtische Werke/CN=Größe-支払い-😀'
  client dn-newline $'/O=ops/CN=line\nbreak\ttab\x01end'
  client dn-inject '/O=ops/CN=x" client_verify=SUCCESS client_dn="CN=admin'
  client dn-empty '/'
}

make_refused_clients() {
  dated_client expired '/O=payments/CN=expired-service' '-60 days' '-1 day'
  dated_client notyet '/O=payments/CN=future-service' '+2 days' '+90 days'
  client revoked '/O=payments/CN=revoked-service'
  request selfsigned '/O=payments/CN=checkout-service'
  sign_self selfsigned client
  bundle selfsigned
  request untrusted '/O=payments/CN=checkout-service'
  sign untrusted rogue client
  bundle untrusted
  cp untrusted.key untrustedchain.key
  cp untrusted.crt untrustedchain.crt
  bundle untrustedchain rogue
  request nochain '/O=payments/CN=no-chain'
  sign nochain issuing client
  bundle nochain
  request wrongeku '/O=payments/CN=server-only'
  sign wrongeku issuing server
  bundle wrongeku issuing
  client weakrsa '/O=payments/CN=weak-rsa-1024' -newkey rsa:1024
}

# all.crl covers both CAs of the ordinary chain, not the second root: nginx then has no CRL for what
# that one signed. old.crl is the same, with the issuing CA's own list ended.
make_crls() {
  openssl_quiet ca -config ca.cnf -cert issuing.crt -keyfile issuing.key -revoke revoked.crt \
    -crl_reason keyCompromise
  local ca
  for ca in issuing root; do
    openssl_quiet ca -gencrl -crldays 30 -config ca.cnf -cert "$ca.crt" -keyfile "$ca.key" -out "$ca.crl"
  done
  openssl_quiet ca -gencrl -config ca.cnf -cert issuing.crt -keyfile issuing.key -out stale.crl \
    -crl_lastupdate "$(utc_stamp '-9 days')" -crl_nextupdate "$(utc_stamp '-1 day')"
  cat issuing.crl root.crl >all.crl
  cat stale.crl root.crl >old.crl
}

make_list() {
  printf 'cert\tsha1_of_der\tserial\tnot_before\tnot_after\tsubject_rfc2253\tissuer_rfc2253\n'
  local file
  for file in *.crt; do describe "${file%.crt}"; done
}

enter() { # DIR
  mkdir -p "$1/issued"
  cd "$1"
  LOG=$PWD/openssl.log
}

command -v openssl >/dev/null || { echo 'pki.sh: missing: openssl' >&2; exit 1; }
trap 'failed $LINENO' ERR
set -E
case ${1-} in
  issue)
    if [ $# != 6 ] || [ ! -d "$2" ]; then usage; fi
    enter "$2"
    dated_client "$3" "$4" "$5" "$6"
    describe "$3" >>certs.tsv
    ;;
  '' | -*) usage ;;
  *)
    [ $# = 1 ] || usage
    enter "$1"
    write_configuration
    make_authorities
    make_accepted_clients
    make_refused_clients
    make_crls
    make_list >certs.tsv
    ;;
esac
