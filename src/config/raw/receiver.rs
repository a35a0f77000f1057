//! `[[receiver]]` as written.

use serde::Deserialize;
use toml::Spanned;

use super::{OneOrMany, RawWhere, Text, Texts};

/// `[[receiver]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawReceiver {
    pub(in crate::config) name: Option<Text>,
    pub(in crate::config) kind: Option<Text>,
    pub(in crate::config) r#where: Option<RawWhere>,
    pub(in crate::config) urls: Option<Texts>,
    pub(in crate::config) resend: Option<Text>,
    pub(in crate::config) url: Option<Text>,
    pub(in crate::config) repeat: Option<Text>,
    pub(in crate::config) shape: Option<Text>,
    pub(in crate::config) signing_secret_file: Option<Spanned<OneOrMany>>,
    pub(in crate::config) path: Option<Text>,
    pub(in crate::config) timeout: Option<Text>,
    pub(in crate::config) basic_auth: Option<Text>,
    pub(in crate::config) password_file: Option<Text>,
    pub(in crate::config) bearer_token_file: Option<Text>,
    pub(in crate::config) ca_file: Option<Text>,
    pub(in crate::config) client_cert: Option<Text>,
    pub(in crate::config) client_key: Option<Text>,
    pub(in crate::config) allow_link_local: Option<Spanned<bool>>,
}
