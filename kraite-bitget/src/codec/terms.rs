//! What every order of an account has to state beside itself: generation, product and margin mode.

use kraite_core::exchange::{MarginMode, Reject, RejectKind};

/// Which of the venue's two APIs an account belongs to; the other one refuses it (40084, 40085).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Generation {
    /// `/api/v2`.
    Classic,
    /// `/api/v3`.
    Unified,
}

/// A product line: its contracts are quoted and margined in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Product {
    /// USDT-FUTURES.
    Usdt,
    /// USDC-FUTURES.
    Usdc,
}

impl Product {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Usdt, Self::Usdc];

    /// The product of the contracts with that quote currency (R105).
    ///
    /// # Errors
    ///
    /// `Rejected(Other)` for any other currency: no request is made.
    pub fn of_quote(quote: &str) -> Result<Self, Reject> {
        Self::ALL.into_iter().find(|product| product.coin().eq_ignore_ascii_case(quote)).ok_or_else(|| Reject {
            kind: RejectKind::Other,
            code: 0,
            message: format!("contracts quoted in `{}` are not supported", quote.chars().take(20).collect::<String>())
                .into(),
        })
    }

    /// As calls spell it: `productType` of the classic, `category` of the unified API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usdt => "USDT-FUTURES",
            Self::Usdc => "USDC-FUTURES",
        }
    }

    /// The currency that margins it.
    #[must_use]
    pub const fn coin(self) -> &'static str {
        match self {
            Self::Usdt => "USDT",
            Self::Usdc => "USDC",
        }
    }
}

/// What an order states that the core does not know (R108).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Terms {
    /// Which API.
    pub generation: Generation,
    /// Which product line.
    pub product: Product,
    /// How margin backs the position; has to be that of an open position.
    pub margin: MarginMode,
}

/// As calls spell a margin mode.
pub(crate) const fn margin_word(margin: MarginMode) -> &'static str {
    match margin {
        MarginMode::Cross => "crossed",
        MarginMode::Isolated => "isolated",
    }
}

/// The venue's word for a margin mode, in each of its spellings; `None` for one that is not known.
#[must_use]
pub fn margin_mode_of(word: &str) -> Option<MarginMode> {
    let is = |known: &[&str]| known.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is(&["crossed", "cross"]) {
        Some(MarginMode::Cross)
    } else if is(&["isolated", "fixed"]) {
        Some(MarginMode::Isolated)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r105_the_quote_decides_and_an_unsupported_one_fails_before_any_request() {
        assert_eq!(Product::of_quote("USDT").unwrap(), Product::Usdt);
        assert_eq!(Product::of_quote("usdc").unwrap(), Product::Usdc);
        for quote in ["", "USD", "BTC", "USDT "] {
            assert_eq!(Product::of_quote(quote).unwrap_err().kind, RejectKind::Other, "{quote}");
        }
    }

    #[test]
    fn r108_margin_words_are_read_in_every_spelling() {
        for word in ["crossed", "cross", "CROSSED"] {
            assert_eq!(margin_mode_of(word), Some(MarginMode::Cross));
        }
        for word in ["isolated", "fixed"] {
            assert_eq!(margin_mode_of(word), Some(MarginMode::Isolated));
        }
        assert_eq!(margin_mode_of("portfolio"), None);
        assert_eq!(margin_mode_of(margin_word(MarginMode::Isolated)), Some(MarginMode::Isolated));
    }
}
