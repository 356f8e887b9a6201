//! What is read wrongly.

use kraite_core::exchange::{
    Balance, Books, Direction, Endpoint, Lookup, OrderRef, OrderReport, PositionReport, ReadError, Reading,
    ReportStatus, ReportedId, Service,
};
use kraite_core::id::Symbol;
use kraite_core::instrument::Instrument;
use kraite_core::number::{Notional, Price};
use kraite_core::time::VenueMillis;

use super::super::sim::SECRET;
use super::{Wrong, WrongExchange, rounded_qty};

impl WrongExchange {
    /// An order as it is told; nothing where it is left out.
    pub(super) fn row(wrong: Wrong, mut row: OrderReport) -> Option<OrderReport> {
        match wrong {
            Wrong::HidesStrangers if matches!(row.id, ReportedId::Foreign(_)) => return None,
            Wrong::LiquidationIsAStranger => {
                if matches!(row.id, ReportedId::Venue(_)) {
                    row.id = ReportedId::Foreign("autoclose".into());
                }
            }
            Wrong::ExecutedIsStated if row.service == Service::Regular => {
                row.executed = row.stated.and_then(|stated| stated.qty).or(row.executed);
            }
            Wrong::CancelledIsExpired if row.status == ReportStatus::Cancelled => row.status = ReportStatus::Expired,
            Wrong::PartIsFilled if row.status == ReportStatus::PartiallyFilled => row.status = ReportStatus::Filled,
            _ => {}
        }
        Some(row)
    }

    fn rows(&self, rows: Vec<OrderReport>) -> Vec<OrderReport> {
        rows.into_iter().filter_map(|row| Self::row(self.wrong, row)).collect()
    }

    /// What is wrong with any reading.
    async fn judged<T>(&self, reading: Result<Reading<T>, ReadError>) -> Result<Reading<T>, ReadError> {
        let mut reading = match (self.wrong, reading) {
            (Wrong::FailureIsForGood, Err(_)) => return Err(ReadError::Refused("told wrongly".into())),
            (_, reading) => reading?,
        };
        match self.wrong {
            Wrong::StampsTheAnswer => reading.sent_at = self.inner.server_time().await?,
            Wrong::NamesNoEndpoint => reading.endpoint = Endpoint::Other,
            Wrong::AlwaysWhole => reading.complete = true,
            _ => {}
        }
        Ok(reading)
    }

    /// The reading, or an empty one in the place of its failure.
    async fn or_empty<T: Default>(
        &self,
        wrong: Wrong,
        endpoint: Endpoint,
        reading: Result<Reading<T>, ReadError>,
    ) -> Result<Reading<T>, ReadError> {
        let reading = match reading {
            Err(_) if self.wrong == wrong => {
                Ok(Reading { value: T::default(), sent_at: VenueMillis::default(), endpoint, complete: true })
            }
            reading => reading,
        };
        self.judged(reading).await
    }

    pub(super) async fn lookup_wrong(
        &self,
        order: &OrderRef,
        endpoint: Endpoint,
    ) -> Result<Reading<Lookup>, ReadError> {
        let asked = if self.wrong == Wrong::IgnoresEndpoint { Endpoint::Order } else { endpoint };
        let reading = match self.inner.lookup(order, asked).await {
            Err(_) if self.wrong == Wrong::FailureIsMiss => {
                let (value, sent_at) = (Lookup::NotFound, VenueMillis::default());
                Ok(Reading { value, sent_at, endpoint, complete: true })
            }
            reading => reading,
        };
        let mut reading = self.judged(reading).await?;
        if self.wrong == Wrong::IgnoresEndpoint {
            reading.endpoint = endpoint;
        }
        reading.value = match (self.wrong, reading.value) {
            (Wrong::MissForEver, Lookup::NotFound) => Lookup::Unknowable,
            (Wrong::FindsAnother, Lookup::NotFound) => {
                let open = self.inner.open_orders(Some(order.symbol.clone())).await?.value;
                if open.is_empty() { Lookup::NotFound } else { Lookup::Found(open) }
            }
            (Wrong::DropsChildren, Lookup::Found(rows)) => {
                Lookup::Found(rows.into_iter().filter(|row| row.parent.is_none()).collect())
            }
            (_, Lookup::Found(rows)) => Lookup::Found(self.rows(rows)),
            (_, value) => value,
        };
        Ok(reading)
    }

    pub(super) async fn open_orders_wrong(
        &self,
        symbol: Option<Symbol>,
    ) -> Result<Reading<Vec<OrderReport>>, ReadError> {
        let asked = symbol.filter(|_| self.wrong != Wrong::IgnoresContract);
        let reading = self.inner.open_orders(asked).await;
        let mut reading = self.or_empty(Wrong::FailureIsNoOrders, Endpoint::OpenOrders, reading).await?;
        reading.value = self.rows(reading.value);
        match self.wrong {
            Wrong::DropsLastRow => drop(reading.value.pop()),
            Wrong::DropsTriggerOrders => reading.value.retain(|row| row.service == Service::Regular),
            _ => {}
        }
        Ok(reading)
    }

    pub(super) async fn history_wrong(
        &self,
        symbol: &Symbol,
        from: VenueMillis,
        to: VenueMillis,
    ) -> Result<Reading<Vec<OrderReport>>, ReadError> {
        let from = if self.wrong == Wrong::IgnoresWindow { VenueMillis::default() } else { from };
        let reading = self.inner.history(symbol, from, to).await;
        let mut reading = self.or_empty(Wrong::FailureIsNoHistory, Endpoint::History, reading).await?;
        reading.value = self.rows(reading.value);
        if self.wrong == Wrong::DropsUnfilled {
            reading.value.retain(|row| row.status == ReportStatus::Filled);
        }
        Ok(reading)
    }

    pub(super) async fn books_wrong(
        &self,
        symbol: &Symbol,
        direction: Direction,
        from: VenueMillis,
        to: VenueMillis,
    ) -> Result<Reading<Books>, ReadError> {
        let from = if self.wrong == Wrong::BooksOfAnyTime { VenueMillis::default() } else { from };
        let reading = self.inner.books(symbol, direction, from, to).await;
        let mut reading = self.or_empty(Wrong::FailureIsNoBooks, Endpoint::Fills, reading).await?;
        match self.wrong {
            Wrong::FeesLeftOut => {
                reading.value.trades.iter_mut().for_each(|booked| booked.trade.fee = Notional::ZERO);
            }
            Wrong::FundingInverted => {
                reading.value.funding.iter_mut().for_each(|payment| payment.amount = payment.amount.negated());
            }
            _ => {}
        }
        Ok(reading)
    }

    pub(super) async fn positions_wrong(&self) -> Result<Reading<Vec<PositionReport>>, ReadError> {
        let reading = self.inner.positions().await;
        let mut reading = self.or_empty(Wrong::FailureIsFlat, Endpoint::Positions, reading).await?;
        for row in &mut reading.value {
            match self.wrong {
                Wrong::ShortIsLong => row.direction = Direction::Long,
                Wrong::RoundsPositions => row.qty = rounded_qty(row.qty),
                _ => {}
            }
        }
        Ok(reading)
    }

    pub(super) async fn balances_wrong(&self) -> Result<Vec<Balance>, ReadError> {
        let mut balances = match self.inner.balances().await {
            Err(_) if self.wrong == Wrong::TellsSecrets => return Err(ReadError::NoAnswer(SECRET.into())),
            Err(_) if self.wrong == Wrong::FailureIsNoMoney => return Ok(Vec::new()),
            Err(_) if self.wrong == Wrong::FailureIsForGood => return Err(ReadError::Refused("told wrongly".into())),
            balances => balances?,
        };
        if self.wrong == Wrong::WalletIsFree {
            for balance in &mut balances {
                balance.wallet = balance.available;
            }
        }
        Ok(balances)
    }

    pub(super) async fn instruments_wrong(&self) -> Result<Vec<Instrument>, ReadError> {
        let mut all = self.inner.instruments().await?;
        if self.wrong == Wrong::TicksForLots {
            for contract in &mut all {
                contract.tick = Price::from_units(1, 3).unwrap_or_default();
            }
        }
        Ok(all)
    }
}
