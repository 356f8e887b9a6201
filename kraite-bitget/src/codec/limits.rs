//! What the headers of an answer say about the limits.

use kraite_core::time::Millis;

/// What is left of the limits, as the venue counts it; `None` where the answer does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct UsedLimits {
    /// Calls of this endpoint that are left in this second. Documented; nobody was found who saw it.
    pub left_second: Option<u32>,
    /// How long to wait before the next request; not documented, and honoured where it is there.
    pub retry_after: Option<Millis>,
}

impl UsedLimits {
    /// Reads the headers that say something; others, and values that are no numbers, are passed over.
    pub fn of<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut used = Self::default();
        for (name, value) in headers {
            let Ok(value) = value.trim().parse::<u32>() else { continue };
            if name.eq_ignore_ascii_case("x-mbx-used-remain-limit") {
                used.left_second = Some(value);
            } else if name.eq_ignore_ascii_case("retry-after") {
                used.retry_after = Some(Millis::from_secs(i64::from(value)));
            }
        }
        used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r115_limits_are_read_from_the_headers() {
        let used = UsedLimits::of([("X-MBX-USED-REMAIN-LIMIT", " 9 "), ("Retry-After", "30"), ("locale", "en-US")]);
        assert_eq!(used, UsedLimits { left_second: Some(9), retry_after: Some(Millis(30_000)) });
        assert_eq!(UsedLimits::of([("Retry-After", "soon"), ("x-mbx-used-remain-limit", "-1")]), UsedLimits::default());
    }
}
