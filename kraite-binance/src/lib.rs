//! Binance USD-M futures for kraite.
