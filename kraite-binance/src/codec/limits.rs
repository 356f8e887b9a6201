//! What the headers of an answer say about the limits.

use kraite_core::time::Millis;

use super::socket::UsedLimit;

/// The used part of each limit, as the venue counts it; `None` where the answer does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct UsedLimits {
    /// Weight of the address in this minute, of all accounts on the host.
    pub weight_minute: Option<u32>,
    /// Orders of the account in ten seconds.
    pub orders_ten_seconds: Option<u32>,
    /// Orders of the account in this minute.
    pub orders_minute: Option<u32>,
    /// How long to wait before the next request; not documented for this API and honoured where it is there.
    pub retry_after: Option<Millis>,
}

impl UsedLimits {
    /// Reads the headers that say something; others, and values that are no numbers, are passed over.
    pub fn of<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut used = Self::default();
        for (name, value) in headers {
            let number = || value.trim().parse::<u32>().ok();
            if name.eq_ignore_ascii_case("x-mbx-used-weight-1m") {
                used.weight_minute = number().or(used.weight_minute);
            } else if name.eq_ignore_ascii_case("x-mbx-order-count-10s") {
                used.orders_ten_seconds = number().or(used.orders_ten_seconds);
            } else if name.eq_ignore_ascii_case("x-mbx-order-count-1m") {
                used.orders_minute = number().or(used.orders_minute);
            } else if name.eq_ignore_ascii_case("retry-after") {
                used.retry_after = number().map(|value| Millis::from_secs(i64::from(value))).or(used.retry_after);
            }
        }
        used
    }

    /// Takes what a reply of the WebSocket API says.
    #[must_use]
    pub fn of_socket(rows: &[UsedLimit]) -> Self {
        let mut used = Self::default();
        for row in rows {
            let count = row.count.and_then(|count| u32::try_from(count).ok());
            match (row.rate_limit_type.as_deref(), row.interval.as_deref(), row.interval_num) {
                (Some("REQUEST_WEIGHT"), Some("MINUTE"), Some(1)) => used.weight_minute = count,
                (Some("ORDERS"), Some("SECOND"), Some(10)) => used.orders_ten_seconds = count,
                (Some("ORDERS"), Some("MINUTE"), Some(1)) => used.orders_minute = count,
                _ => {}
            }
        }
        used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r115_used_limits_are_read_from_replies_of_the_web_socket_api() {
        let reply = r#"{"id":1,"status":200,"result":{},"rateLimits":[
            {"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":2400,"count":3},
            {"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":300,"count":2},
            {"rateLimitType":"ORDERS","interval":"MINUTE","intervalNum":1,"limit":1200,"count":-1},
            {"rateLimitType":"NEW","interval":"MINUTE","intervalNum":1,"limit":1,"count":1}]}"#;
        let rows = crate::codec::SocketReply::read(reply.as_bytes()).unwrap().used_limits();
        let known = UsedLimits { weight_minute: Some(3), orders_ten_seconds: Some(2), ..UsedLimits::default() };
        assert_eq!(UsedLimits::of_socket(&rows), known);
    }

    #[test]
    fn r115_used_limits_are_read_from_the_headers() {
        let used = UsedLimits::of([
            ("X-MBX-USED-WEIGHT-1M", "1042"),
            ("x-mbx-order-count-10s", " 7 "),
            ("X-Mbx-Order-Count-1m", "12"),
            ("Retry-After", "30"),
            ("Content-Type", "application/json"),
        ]);
        assert_eq!(
            used,
            UsedLimits {
                weight_minute: Some(1_042),
                orders_ten_seconds: Some(7),
                orders_minute: Some(12),
                retry_after: Some(Millis(30_000)),
            }
        );
        let odd = [("X-MBX-USED-WEIGHT-1M", "-1"), ("Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT")];
        assert_eq!(UsedLimits::of(odd), UsedLimits::default());
    }
}
