//! Rules that are wrong on purpose: the comparison must find each of them.

/// One wrong rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// A stop fills where it triggers, however far the bar goes.
    StopAtItsTrigger,
    /// A triggered target fills at the best that the bar shows.
    TargetAtTheBest,
    /// The target stays where the entry put it.
    TargetKeepsItsPrice,
    /// A rung fills at the worst of the bar and not at its own price.
    RungAtTheWorst,
    /// What rests pays the taker's rate, what takes the maker's.
    FeeOfTheOtherSide,
    /// At a positive rate shorts pay longs.
    FundingTheOtherWay,
    /// Funding moves the wallet and not the margin that is set aside.
    FundingLeavesMarginAlone,
    /// The maintenance margin is that of the smallest positions.
    FirstBracketOnly,
    /// A liquidation costs nothing but the loss.
    LiquidationIsFree,
    /// Margin is rounded down.
    MarginIsRoundedDown,
    /// A bar goes to the best price first, even where the worst ends the position too.
    BestAlwaysFirst,
    /// A bar goes to the worst price first, and a rung and the target that it lowered may fill in one.
    WorstAlwaysFirst,
    /// Rungs and stop rest where the mark put them, not where the fill does.
    LadderStaysOnTheMark,
    /// An opening that a rule forbids is asked for at the next bar.
    AsksAtOnce,
    /// The break-even is that of the fees that were paid and will be, and not as if everything took.
    BreakEvenOfWhatWasPaid,
    /// Funding is paid on the price after it.
    FundingOnThePriceAfter,
    /// Margin is looked at when a price has been reached, not at the orders on the way.
    LiquidatedAtTheEndOfAMove,
    /// The exchange takes rungs that the wallet does not carry.
    WalletCarriesEveryRung,
    /// What a liquidation lacks comes out of the wallet.
    LossBeyondTheStake,
    /// Each size hangs on the rounded one before it.
    ChainOfRoundedSizes,
    /// The stop hangs on the nearest rung.
    StopBehindTheFirstRung,
    /// A rung may break a rule where the entry slips.
    HeadroomIsIgnored,
    /// The first bracket whose own leverage does not fit ends the search.
    LeverageOfTheOrigin,
    /// Whatever takes gets the price as it is.
    NothingSlips,
    /// Falls are counted from the wallet at the start.
    DrawdownFromTheStart,
    /// Triggers that are to watch the mark watch the last price, and the other way around.
    TriggersWatchTheOther,
    /// Margin is looked at on the last price.
    LiquidatedByTheLast,
    /// Funding is paid on the last price.
    FundingOnTheLast,
    /// A ladder is sized on the last price.
    SizedByTheLast,
    /// A target that the mark has passed is placed all the same.
    TargetIgnoresTheMark,
    /// What the mark allowed in leverage is allowed wherever it fills.
    AnyLeverageAtTheFill,
}

impl Mutant {
    pub(crate) const ALL: [Self; 31] = [
        Self::StopAtItsTrigger,
        Self::TargetAtTheBest,
        Self::TargetKeepsItsPrice,
        Self::RungAtTheWorst,
        Self::FeeOfTheOtherSide,
        Self::FundingTheOtherWay,
        Self::FundingLeavesMarginAlone,
        Self::FirstBracketOnly,
        Self::LiquidationIsFree,
        Self::MarginIsRoundedDown,
        Self::BestAlwaysFirst,
        Self::WorstAlwaysFirst,
        Self::LadderStaysOnTheMark,
        Self::AsksAtOnce,
        Self::BreakEvenOfWhatWasPaid,
        Self::FundingOnThePriceAfter,
        Self::LiquidatedAtTheEndOfAMove,
        Self::WalletCarriesEveryRung,
        Self::LossBeyondTheStake,
        Self::ChainOfRoundedSizes,
        Self::StopBehindTheFirstRung,
        Self::HeadroomIsIgnored,
        Self::LeverageOfTheOrigin,
        Self::NothingSlips,
        Self::DrawdownFromTheStart,
        Self::TriggersWatchTheOther,
        Self::LiquidatedByTheLast,
        Self::FundingOnTheLast,
        Self::SizedByTheLast,
        Self::TargetIgnoresTheMark,
        Self::AnyLeverageAtTheFill,
    ];
}
