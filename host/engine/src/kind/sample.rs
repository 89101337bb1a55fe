//! Samples: values that stand for what is not known while planning.

use serde_json::Value;

use super::Scope;

/// Begins every text that tells samples apart. It has digits alone: they are the same in upper and in lower case.
pub(crate) const MARK: &str = "0417263";

/// The account of samples where the state knows none.
pub(crate) const ACCOUNT: &str = "904172630001";

/// What a kind makes a sample from.
///
/// Where a sample holds [`unique`](Self::unique), in upper or lower case, the engine recognises it in what a plugin
/// declares and puts the unknown token back. Short values, such as versions and zones, need not hold it.
#[derive(Debug, Clone, Copy)]
pub struct Sampled<'a> {
    /// 17 hexadecimal digits, as EC2 has them in its ids; other ones for each unknown value.
    pub unique: &'a str,
    /// Where the resource will be. Its account is a made-up one where none is known.
    pub scope: Scope<'a>,
}

impl Sampled<'_> {
    /// `vpc-0…`: an id as EC2 gives it.
    pub fn id(&self, prefix: &str) -> Value {
        Value::String(format!("{prefix}-{}", self.unique))
    }

    /// The same digits as a UUID.
    pub fn uuid(&self) -> String {
        let twice = self.unique.repeat(2);
        format!("{}-{}-4{}-8{}-{}", &twice[..8], &twice[8..12], &twice[12..15], &twice[15..18], &twice[18..30])
    }
}

/// [`Sampled::unique`] for something of this name: the same in every run, so that messages are the same, too.
pub fn unique(name: &str) -> String {
    // FNV-1a.
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{MARK}{:010x}", (hash ^ (hash >> 40)) & 0xff_ffff_ffff)
}
