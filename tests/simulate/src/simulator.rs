//! The simulated clock and what happens by it.

use std::collections::BTreeSet;

use totesys_postgres::ConnectionSettings;

use crate::choice::References;
use crate::late::OpenLate;
use crate::order::OrderTable;
use crate::plan::{Agenda, Planned};
use crate::random::Random;
use crate::session::Session;
use crate::{Counts, Event, Kind, Moment, Rates, SimulateError, schema};

/// So many payments are made under one timestamp at most, as in the real source.
const LARGEST_TIE: usize = 37;

/// Where the simulated clock begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Right after the newest timestamp in the source.
    AfterNewest,
    /// At this moment.
    At(Moment),
}

/// A source that lives.
///
/// What happens follows from the seed, the rates and what the source held at first, never from the machine's clock.
/// After an error the simulator is of no further use; what was committed stays.
pub struct Simulator {
    pub(crate) settings: ConnectionSettings,
    pub(crate) schema: String,
    pub(crate) session: Session,
    pub(crate) late_session: Option<Session>,
    pub(crate) late: Option<OpenLate>,
    /// Orders and silent changes that are still to be late, and transactions that are still to have savepoints.
    pub(crate) late_orders: u32,
    pub(crate) late_changes: u32,
    pub(crate) savepoints: u32,
    pub(crate) rates: Rates,
    pub(crate) random: Random,
    pub(crate) references: References,
    pub(crate) agenda: Agenda,
    /// Unpaid payments by the day on which they will be paid.
    pub(crate) due: BTreeSet<(i64, i32)>,
    pub(crate) clock: Moment,
    counts: Counts,
    events: Vec<Event>,
}

impl Simulator {
    /// Connects to a source and plans its first day. A database without the tables of Totesys gets them, with a few
    /// rows in each that orders refer to.
    ///
    /// # Errors
    /// When there is no connection, only a part of the tables, or no row to refer to.
    pub async fn connect(
        settings: &ConnectionSettings,
        schema: &str,
        rates: Rates,
        seed: u64,
        start: Start,
    ) -> Result<Self, SimulateError> {
        schema::prepare(settings, schema, seed).await?;
        let session = Session::open(settings, schema).await?;
        let references = References::read(&session).await?;
        let clock = match start {
            Start::At(moment) => moment,
            Start::AfterNewest => newest(&session).await?,
        };
        let due = unpaid(&session, clock).await?;
        let mut agenda = Agenda::default();
        agenda.enter(clock, Planned::NewDay);
        Ok(Self {
            settings: settings.clone(),
            schema: schema.to_owned(),
            session,
            late_session: None,
            late: None,
            late_orders: 0,
            late_changes: 0,
            savepoints: 0,
            rates,
            random: Random::new(seed),
            references,
            agenda,
            due,
            clock,
            counts: Counts::default(),
            events: Vec::new(),
        })
    }

    /// The simulated clock.
    #[must_use]
    pub fn clock(&self) -> Moment {
        self.clock
    }

    /// When the next thing happens, which may be that a day begins.
    #[must_use]
    pub fn next_at(&self) -> Moment {
        self.agenda.next_at().unwrap_or(self.clock)
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Lets so many days pass, as fast as the source takes it, and says what happened in them.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn advance(&mut self, days: f64) -> Result<Counts, SimulateError> {
        let (before, until) = (self.counts, self.clock.plus_days(days));
        while self.next_at() <= until {
            self.step().await?;
        }
        self.clock = until;
        Ok(self.counts - before)
    }

    /// Lets the next thing happen, whatever the machine's clock says, and gives the events it consists of.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn step(&mut self) -> Result<Vec<Event>, SimulateError> {
        if let Some((at, planned)) = self.agenda.take() {
            self.clock = at;
            self.perform(at, planned).await?;
        }
        Ok(std::mem::take(&mut self.events))
    }

    async fn perform(&mut self, at: Moment, planned: Planned) -> Result<(), SimulateError> {
        match planned {
            Planned::NewDay => self.agenda.plan_day(at, &self.rates, &mut self.random),
            Planned::Sale => self.order(at, OrderTable::Sales).await?,
            Planned::Purchase => self.order(at, OrderTable::Purchases).await?,
            Planned::Design => self.design(at).await?,
            Planned::Payments => self.pay(at).await?,
            Planned::SilentSale => self.silent(at, OrderTable::Sales).await?,
            Planned::SilentPurchase => self.silent(at, OrderTable::Purchases).await?,
            Planned::SilentDesign => self.silent_design(at).await?,
            Planned::There => self.there(at).await?,
            Planned::Back(change) => self.back(at, change).await?,
            Planned::Late => self.plan_late(),
            Planned::Savepoint => self.savepoints += 1,
            Planned::Address => self.address(at).await?,
            Planned::Department => self.department(at).await?,
            Planned::Deletion => self.delete(at).await?,
            Planned::Return(grave) => self.come_back(at, grave).await?,
        }
        Ok(())
    }

    /// The payments of the day are made. Those that are due on a weekend, or on the day of their order, never are.
    async fn pay(&mut self, at: Moment) -> Result<(), SimulateError> {
        let later = self.due.split_off(&(at.day() + 1, i32::MIN));
        let due = std::mem::replace(&mut self.due, later);
        let today: Vec<String> =
            due.into_iter().filter(|(day, _)| *day == at.day()).map(|(_, payment)| payment.to_string()).collect();
        for (chunk, stamp) in today.chunks(LARGEST_TIE).zip(at.0..) {
            let statement = format!(
                "WITH paid AS (
                     UPDATE payment SET paid = true, last_updated = '{}'
                     WHERE payment_id = ANY ('{{{}}}') AND NOT paid RETURNING 1
                 )
                 SELECT count(*) FROM paid",
                Moment(stamp),
                chunk.join(",")
            );
            let paid = self.session.number("making payments", &statement).await?.unwrap_or(0);
            let paid = u64::try_from(paid).unwrap_or(0);
            self.record(at, Kind::PaymentBatch, None, 1);
            self.counts.count(Kind::Payment, paid);
            self.counts.largest_tie = self.counts.largest_tie.max(paid);
        }
        Ok(())
    }

    pub(crate) fn record(&mut self, at: Moment, kind: Kind, key: Option<i32>, times: u64) {
        self.counts.count(kind, times);
        self.events.push(Event { at, kind, key });
    }
}

/// The millisecond after the newest timestamp.
async fn newest(session: &Session) -> Result<Moment, SimulateError> {
    let stamps: Vec<String> = schema::TABLES
        .iter()
        .map(|table| format!("SELECT max(greatest(created_at, last_updated)) AS at FROM {table}"))
        .collect();
    let query =
        format!("SELECT (extract(epoch FROM max(at)) * 1000)::bigint FROM ({}) stamps", stamps.join(" UNION ALL "));
    let doing = "looking for the newest timestamp";
    let newest = session.number(doing, &query).await?;
    newest.map(|at| Moment(at + 1)).ok_or(SimulateError::Answer { doing, missing: "last_updated" })
}

/// What is to be paid from a moment on.
async fn unpaid(session: &Session, from: Moment) -> Result<BTreeSet<(i64, i32)>, SimulateError> {
    let query = format!(
        "SELECT payment_id, payment_date FROM payment
         WHERE NOT paid AND payment_date >= '{}' AND payment_date > created_at::date::text",
        from.date()
    );
    let rows = session.run("looking for unpaid payments", &query).await?;
    let due = rows.iter().filter_map(|row| match row.as_slice() {
        [Some(payment), Some(date)] => Some((Moment::of_date(date)?.day(), payment.parse().ok()?)),
        _ => None,
    });
    Ok(due.filter(|(day, _)| crate::moment::is_working_day(*day)).collect())
}
