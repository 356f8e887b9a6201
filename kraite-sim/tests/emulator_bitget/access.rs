use kraite_sim::emulator::{Protocol, Settings, Start};

use crate::client::{Bench, sign};

const DETAIL: &str = "/api/v2/mix/position/all-position?productType=USDT-FUTURES&marginCoin=USDT";

async fn with_headers(bench: &Bench, headers: &str) -> (u16, String) {
    let answer = bench.raw(&format!("GET {DETAIL} HTTP/1.1\r\n{headers}"), "").await.unwrap();
    (answer.status, answer.code().to_owned())
}

#[tokio::test]
async fn a_request_is_checked_key_sign_time_and_passphrase_each_with_its_own_code() {
    let bench = Bench::classic().await;
    let stamp = bench.now();
    let signed = |stamp: i64| sign(&format!("{stamp}GET{DETAIL}"));
    let headers = |key: &str, sign: &str, stamp: &str, pass: &str| {
        format!(
            "ACCESS-KEY: {key}\r\nACCESS-SIGN: {sign}\r\nACCESS-TIMESTAMP: {stamp}\r\nACCESS-PASSPHRASE: {pass}\r\n"
        )
    };
    let good = signed(stamp);
    let text = stamp.to_string();
    let late = stamp - 30_500;
    let early = stamp + 31_000;
    for (head, code) in [
        (String::new(), "40001"),
        (headers("", &good, &text, "p"), "40001"),
        (headers("k", "", &text, "p"), "40003"),
        (headers("k", &good, "", "p"), "40005"),
        (headers("k", &good, "soon", "p"), "40005"),
        (headers("k", &good, &text, ""), "40011"),
        (headers("x", &good, &text, "p"), "40006"),
        (headers("k", &good, &text, "x"), "40012"),
        (headers("k", &sign("else"), &text, "p"), "40009"),
        (headers("k", "%%", &text, "p"), "40009"),
        (headers("k", &signed(late), &late.to_string(), "p"), "40008"),
        (headers("k", &signed(early), &early.to_string(), "p"), "40008"),
    ] {
        assert_eq!(with_headers(&bench, &head).await, (400, code.to_owned()), "{head}");
    }
    assert_eq!(with_headers(&bench, &headers("k", &good, &text, "p")).await, (200, "00000".to_owned()));
    // What is signed a little less than the window ago is taken.
    let old = stamp - 29_000;
    assert_eq!(with_headers(&bench, &headers("k", &signed(old), &old.to_string(), "p")).await.1, "00000");
}

#[tokio::test]
async fn a_post_is_signed_over_its_exact_body() {
    let bench = Bench::classic().await;
    let body = r#"{"symbol": "SOLUSDT", "productType":"usdt-futures","marginCoin":"USDT","leverage":"7"}"#;
    let path = "/api/v2/mix/account/set-leverage";
    let headers = bench.headers("POST", path, body);
    let head = format!("POST {path} HTTP/1.1\r\n{headers}");
    let changed = bench.raw(&head, &body.replace('7', "8")).await.unwrap();
    assert_eq!(changed.code(), "40009");
    let sent = bench.raw(&head, body).await.unwrap();
    assert_eq!(sent.data()["crossMarginLeverage"], "7");
}

#[tokio::test]
async fn r106_the_api_of_the_other_generation_refuses_before_the_signature_is_looked_at() {
    let (classic, unified) = (Bench::classic().await, Bench::unified().await);
    for (bench, target, code) in [
        (&classic, "/api/v3/account/assets", "40084"),
        (&classic, "/api/v3/account/settings", "40084"),
        (&unified, "/api/v2/spot/account/info", "40085"),
        (&unified, "/api/v2/mix/position/all-position?productType=USDT-FUTURES", "40085"),
    ] {
        for answer in [bench.open(target).await, bench.get(target).await] {
            assert_eq!((answer.status, answer.code()), (400, code), "{target}");
            assert!(
                answer.json["requestTime"].is_i64() && answer.json["msg"].as_str().unwrap().contains("Account mode")
            );
        }
    }
    classic.get("/api/v2/spot/account/info").await.data();
    assert_eq!(unified.get("/api/v3/account/settings").await.data()["accountMode"], "unified");
    // Public calls are open to both.
    for bench in [&classic, &unified] {
        let time = bench.open("/api/v2/public/time").await;
        let at: i64 = time.data()["serverTime"].as_str().unwrap().parse().unwrap();
        assert!((bench.now() - at).abs() < 1_000);
    }
    assert_eq!(classic.open("/api/v1/old").await.code(), "40404");
}

#[tokio::test]
async fn a_call_is_refused_beyond_its_number_per_second_and_taken_again_afterwards() {
    let start = Start::At(kraite_core::time::VenueMillis(1_760_000_000_000));
    let bench = Bench::with(Settings { protocol: Protocol::BitgetClassic, start, ..Settings::default() }).await;
    let probe = || bench.get("/api/v2/spot/account/info");
    probe().await.data();
    let refused = probe().await;
    assert_eq!((refused.status, refused.code()), (429, "429"));
    bench.admin("POST", "/clock", r#"{"skip_ms":1000}"#).await;
    probe().await.data();
}
