//! A simulated futures exchange with faults, an auditor that sees everything, and a backtester.
