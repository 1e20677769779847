//! What will happen when.

use std::collections::BTreeMap;

use crate::moment::{Moment, is_working_day};
use crate::random::Random;
use crate::rates::{PERIOD_DAYS, Rates};
use crate::removal::Grave;
use crate::silent::Change;

/// 08:00 and 19:00, in milliseconds of a day.
const WORKING_HOURS: (i64, i64) = (28_800_000, 68_400_000);

/// 07:55:11, in milliseconds of a day.
const PAYMENTS: i64 = 28_511_000;

const DAY: i64 = 86_400_000;

/// Something that is going to happen.
#[derive(Debug, Clone)]
pub(crate) enum Planned {
    /// A day begins, and what happens in it is planned.
    NewDay,
    Sale,
    Purchase,
    Design,
    Payments,
    SilentSale,
    SilentPurchase,
    SilentDesign,
    There,
    /// An order becomes again what it was.
    Back(Change),
    /// One of the next transactions will commit late.
    Late,
    /// The next transaction writes inside a savepoint.
    Savepoint,
    Address,
    Department,
    Deletion,
    Return(Grave),
}

/// What is planned, in order of time; what is planned for the same moment happens as it was planned.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    planned: BTreeMap<(Moment, u64), Planned>,
    entered: u64,
}

impl Agenda {
    pub(crate) fn enter(&mut self, at: Moment, planned: Planned) {
        self.planned.insert((at, self.entered), planned);
        self.entered += 1;
    }

    pub(crate) fn next_at(&self) -> Option<Moment> {
        self.planned.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn take(&mut self) -> Option<(Moment, Planned)> {
        self.planned.pop_first().map(|((at, _), planned)| (at, planned))
    }

    /// Plans what happens in the day from `now` on, and the beginning of the next.
    pub(crate) fn plan_day(&mut self, now: Moment, rates: &Rates, random: &mut Random) {
        let day = now.day();
        let mut events = Vec::new();
        if is_working_day(day) {
            events.push((PAYMENTS + random.between(0, 999), Planned::Payments));
            for (rate, planned) in
                [(rates.sales, Planned::Sale), (rates.purchases, Planned::Purchase), (rates.designs, Planned::Design)]
            {
                for _ in 0..random.poisson(rate) {
                    events.push((random.between(WORKING_HOURS.0, WORKING_HOURS.1 - 1), planned.clone()));
                }
            }
        }
        for (rate, planned) in [
            (rates.silent_sales, Planned::SilentSale),
            (rates.silent_purchases, Planned::SilentPurchase),
            (rates.silent_designs, Planned::SilentDesign),
            (rates.there_and_back, Planned::There),
            (rates.late_commits, Planned::Late),
            (rates.savepoints, Planned::Savepoint),
            (rates.addresses, Planned::Address),
            (rates.departments, Planned::Department),
            (rates.deletions, Planned::Deletion),
        ] {
            for _ in 0..random.poisson(rate / PERIOD_DAYS) {
                events.push((random.between(0, DAY - 1), planned.clone()));
            }
        }
        for (milliseconds, planned) in events {
            let at = Moment::at(day, milliseconds);
            // A simulation that begins in the middle of a day has missed its morning.
            if at >= now {
                self.enter(at, planned);
            }
        }
        self.enter(Moment::at(day + 1, 0), Planned::NewDay);
    }
}
