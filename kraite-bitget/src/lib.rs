//! Bitget USDT and USDC futures for kraite.
