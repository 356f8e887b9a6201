//! The checks, one after the other. None changes anything at the venue but the listen key, which every process of an
//! account shares and which is left to its end.

use std::future::poll_fn;

use kraite_binance::{ConnectError, LocalClock};
use kraite_core::exchange::{Exchange, KeyRights, PositionMode, ReadError, StreamEvent};
use kraite_core::time::{LocalMillis, Millis, VenueMillis};

use super::report::{Report, Status};
use crate::live::config::Network;

/// With a larger error of the measured clock, orders may come too late to be signed for their window.
const CLOCK_ERROR_MAX: Millis = Millis(1_000);
/// A local clock that is off by more is worth a line, though kraite signs with the exchange's.
const OFFSET_TOLD: Millis = Millis(1_000);
/// How long the account stream may take to say that it is up.
const STREAM_WAITS: Millis = Millis::from_secs(10);
/// The longest that a limit of the exchange is waited for.
const PATIENCE: Millis = Millis::from_secs(5);
/// The venue's time is told in whole milliseconds, rounded down.
const TOLD_IN: Millis = Millis(1);
/// The currency that contracts are margined in.
const MARGIN: &str = "USDT";

/// The checks that need a key.
const KEYED: [&str; 3] = ["rights", "mode", "margin"];
/// The checks that need the venue.
const REMOTE: [&str; 6] = ["clock", "contracts", "key", "rights", "mode", "margin"];
/// What is skipped with them where it is asked for.
const STREAM: &str = "stream";

const NO_ANSWER: &str = "check network, firewall and address; whether the exchange is down or has banned this address";

/// Makes all of them; says whether the key was accepted.
pub(super) async fn run(account: &dyn Exchange, clock: &dyn LocalClock, network: Network, report: &mut Report) -> bool {
    let is_accepted = readings(account, clock, network, report).await;
    if is_accepted {
        stream(account, clock, report).await;
    } else {
        report.skip(&[STREAM], "something before it failed");
    }
    is_accepted
}

/// Asks, and once more where a limit of the exchange is used up for a moment: some questions may be asked only so often.
async fn patiently<T, F>(clock: &dyn LocalClock, ask: impl Fn() -> F) -> Result<T, ReadError>
where
    F: Future<Output = Result<T, ReadError>>,
{
    match ask().await {
        Err(ReadError::RateLimited(wait)) if wait <= PATIENCE => {
            clock.sleep(wait).await;
            ask().await
        }
        answer => answer,
    }
}

/// Makes those that read and do nothing else; says whether the key was accepted.
pub(crate) async fn readings(
    account: &dyn Exchange,
    clock: &dyn LocalClock,
    network: Network,
    report: &mut Report,
) -> bool {
    let before = clock.now();
    match account.server_time().await {
        Ok(told) => {
            report.add("address", Status::Ok, "the exchange answers", "");
            offset(before, told, clock.now(), report);
        }
        Err(error) => {
            report.add("address", Status::Failed, error.to_string(), NO_ANSWER);
            report.skip(&REMOTE, "the exchange does not answer");
            return false;
        }
    }
    contracts(account, clock, report).await;
    match patiently(clock, || account.position_mode()).await {
        Ok(found) => {
            report.add("key", Status::Ok, "the exchange takes key and signature", "");
            rights(account, network, report).await;
            mode(found, report);
        }
        Err(error) => {
            report.add("key", Status::Failed, error.to_string(), advice(&error));
            report.skip(&KEYED, "the key is not accepted");
            return false;
        }
    }
    margin(account, clock, report).await;
    true
}

/// What is known of an account that could not be connected at all.
pub(super) fn unconnected(error: &ConnectError, report: &mut Report) {
    let without = |name: &str| REMOTE.into_iter().filter(|check| *check != name).collect::<Vec<_>>();
    let (name, because, fix) = match error {
        ConnectError::Read(ReadError::NoAnswer(_)) => ("address", "the exchange does not answer", NO_ANSWER),
        ConnectError::Read(error) => ("key", "the key is not accepted", advice(error)),
        _ => ("rights", "the key is refused", "make a key without withdrawals and transfers, and with an address list"),
    };
    report.add(name, Status::Failed, error.to_string(), fix);
    report.skip(&without(name), because);
    report.skip(&[STREAM], because);
}

/// How much of what this address may ask is used, by the exchange's own count where it tells one.
pub(super) fn budget((used, limit): (u32, u32), report: &mut Report) {
    let says = format!("{used} of {limit} are used of what this address may ask in a minute");
    if used > limit / 2 {
        report.add(
            "budget",
            Status::Warned,
            says,
            "others ask from this address: a kraite run needs half of it to itself",
        );
    } else {
        report.add("budget", Status::Ok, says, "");
    }
}

/// What to do about a signed request that came to nothing, by the venue's code.
fn advice(error: &ReadError) -> &'static str {
    let said = error.to_string();
    let code = |code: &str| said.contains(code);
    if code("-1022") || code("40009") {
        "the secret does not belong to the key, or is of another kind"
    } else if code("-2014") || code("-2015") {
        "check the key, its network (demo and production have keys of their own), its address list and its futures right"
    } else if code("40012") {
        "the passphrase does not belong to the key, or the key is wrong"
    } else if ["40006", "40014", "40018", "40037"].into_iter().any(code) {
        "check the key, its network (demo and production have keys of their own), its address list and its rights"
    } else if code("-1021") || code("40005") || code("40008") {
        "the way to the exchange is too slow or its clock jumped; try again"
    } else {
        "try again; see what the exchange says of itself"
    }
}

/// The venue's clock stood between `told` and a millisecond more at some instant between our two.
fn offset(before: LocalMillis, told: VenueMillis, after: LocalMillis, report: &mut Report) {
    let low = told.0.saturating_sub(after.0);
    let high = told.plus(TOLD_IN).0.saturating_sub(before.0);
    let error = high.saturating_sub(low) / 2;
    let offset = low.saturating_add(error);
    let says =
        format!("the exchange's clock is {offset} ms ahead of this one, give or take {} ms", error.saturating_add(1));
    if error > CLOCK_ERROR_MAX.0 {
        report.add(
            "clock",
            Status::Warned,
            says,
            "the way is slow: orders may be too late to be signed; run closer to it",
        );
    } else if offset.saturating_abs() > OFFSET_TOLD.0 {
        report.add(
            "clock",
            Status::Warned,
            says,
            "kraite signs with the exchange's clock; set this one by NTP all the same",
        );
    } else {
        report.add("clock", Status::Ok, says, "");
    }
}

async fn contracts(account: &dyn Exchange, clock: &dyn LocalClock, report: &mut Report) {
    match patiently(clock, || account.instruments()).await {
        Ok(all) => report.add("contracts", Status::Ok, format!("{} contracts can be traded", all.len()), ""),
        Err(error) => {
            report.add(
                "contracts",
                Status::Failed,
                error.to_string(),
                "the rules of contracts cannot be read: nothing can be sized",
            );
        }
    }
}

async fn rights(account: &dyn Exchange, network: Network, report: &mut Report) {
    match network {
        Network::Production => match account.key_rights().await {
            Ok(rights) => judge(&rights, report),
            Err(error) => report.add("rights", Status::Failed, error.to_string(), advice(&error)),
        },
        Network::Demo => {
            report.add(
                "rights",
                Status::Exempt,
                "the demo network does not tell the rights of keys; no money is at stake",
                "",
            );
        }
        Network::Emulator => report.add("rights", Status::Exempt, "no money is at stake on an emulator", ""),
    }
}

fn judge(rights: &KeyRights, report: &mut Report) {
    let (status, says, fix) = match (rights.withdraw, rights.trade) {
        (Some(true), _) => (
            Status::Failed,
            "the key may move money out of the account: kraite refuses it",
            "make a key without withdrawals and transfers, and with an address list",
        ),
        (None, _) | (_, None) => (
            Status::Failed,
            "the exchange does not tell all rights of the key",
            "make a new key that may only trade futures",
        ),
        (Some(false), Some(false)) => (Status::Failed, "the key may not trade futures", "enable futures for it"),
        (Some(false), Some(true)) => (Status::Ok, "the key may trade futures and cannot move money out", ""),
    };
    report.add("rights", status, says, fix);
}

fn mode(found: PositionMode, report: &mut Report) {
    let says = match found {
        PositionMode::OneWay => "one-way: long and short of a contract net",
        PositionMode::Hedge => "hedge: long and short of a contract are two positions",
    };
    report.add("mode", Status::Ok, says, "");
}

async fn margin(account: &dyn Exchange, clock: &dyn LocalClock, report: &mut Report) {
    match patiently(clock, || account.balances()).await {
        Ok(all) => match all.iter().find(|balance| balance.currency == MARGIN) {
            Some(row) if row.available.is_positive() => {
                let says = format!("{} {MARGIN} in the wallet, {} of it free", row.wallet, row.available);
                report.add("margin", Status::Ok, says, "");
            }
            _ => report.add("margin", Status::Warned, format!("no free {MARGIN}"), "move some to the futures wallet"),
        },
        Err(error) => report.add("margin", Status::Failed, error.to_string(), advice(&error)),
    }
}

/// Opens the account stream, waits until it is up, and closes it.
async fn stream(account: &dyn Exchange, clock: &dyn LocalClock, report: &mut Report) {
    let fix = "WebSockets may be blocked on the way: check proxy and firewall";
    let opened = async {
        let mut events = account.account_stream().await.map_err(|error| error.to_string())?;
        loop {
            match poll_fn(|cx| events.as_mut().poll_next(cx)).await {
                Some(StreamEvent::Connected) => return Ok(()),
                Some(_) => {}
                None => return Err("it ended at once".to_owned()),
            }
        }
    };
    let ended = tokio::select! {
        biased;
        ended = opened => ended,
        () = clock.sleep(STREAM_WAITS) => Err(format!("it is not up after {STREAM_WAITS}")),
    };
    match ended {
        Ok(()) => report.add(STREAM, Status::Ok, "the account's stream opens and closes", ""),
        Err(why) => report.add(STREAM, Status::Failed, why, fix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(withdraw: Option<bool>, trade: Option<bool>) -> bool {
        let mut report = Report::new("binance", "production");
        judge(&KeyRights { trade, withdraw }, &mut report);
        report.exit() == crate::exit::Exit::Ok
    }

    #[test]
    fn r109_a_key_that_may_withdraw_or_does_not_say_is_refused() {
        assert!(judged(Some(false), Some(true)));
        for withdraw in [Some(true), None, Some(false)] {
            for trade in [Some(true), None, Some(false)] {
                assert_eq!(judged(withdraw, trade), (withdraw, trade) == (Some(false), Some(true)));
            }
        }
    }

    #[tokio::test]
    async fn a_limit_of_a_moment_is_waited_for_once_and_a_long_one_is_told() {
        let clock = kraite_binance::SystemClock::scaled(1_000);
        for (wait, asked, is_answered) in [(1_000, 2, true), (60_000, 1, false)] {
            let count = std::cell::Cell::new(0);
            let answer = patiently(&clock, || {
                count.set(count.get() + 1);
                let answer = if count.get() == 1 { Err(ReadError::RateLimited(Millis(wait))) } else { Ok(()) };
                async move { answer }
            });
            assert_eq!((answer.await.is_ok(), count.get()), (is_answered, asked));
        }
    }

    #[test]
    fn the_offset_is_told_with_its_error() {
        let told = |before, told, after| {
            let mut report = Report::new("binance", "demo");
            offset(LocalMillis(before), VenueMillis(told), LocalMillis(after), &mut report);
            report.text()
        };
        let near = told(1_000, 1_120, 1_100);
        assert!(near.contains("ok") && near.contains("70 ms ahead of this one, give or take 51 ms"), "{near}");
        assert!(told(1_000, 61_000, 1_100).contains("NTP"));
        assert!(told(1_000, 5_000, 9_000).contains("slow"));
    }
}
