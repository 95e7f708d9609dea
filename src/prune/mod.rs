//! Prune: which sets on devices go by rules of keeping, and their removal. A set that is kept keeps all that it builds on;
//! the last good full set of its kind never goes. Knows no history: what that tells comes in with the facts.
//!
//! **In which order sets were written** decides what is the newest. From volumes alone this is certain only within a chain,
//! by number. Between chains they tell nothing but the time by which they were begun, and that clock may have been wrong. So:
//! sets are put in the order of their times, where a set counts as not older than the one that it builds on; those that the
//! history knows are then put in its order, in the places that they have among the others. A set from the future that the
//! history does not know was written by a clock that is not to be believed: it is kept, and takes no other's place.

mod facts;
mod plan;
mod remove;

pub use facts::{Condition, Known, SetFacts, facts};
pub use plan::{Judged, Plan, Reason, Rules, plan};
pub use remove::{Removed, remove};
