//! Statements of ksqlDB's dialect to plans.
//!
//! 1. [`define`] makes of CREATE what the catalog keeps, [`with`] reads its properties.
//! 2. [`query::Planner`] makes of a SELECT a tree of the operators of [`crate::fold::ksql`]: [`source`] and [`join`] read and join relations,
//!    [`items`] and [`names`] name what is selected, [`group`] folds, [`expr`] compiles expressions.
//! 3. [`sink`] fits what a query gives to the relation that it writes to; [`pull`] plans the query of a client over one relation's rows.
//!
//! Invariant: the plan of a persistent query depends on its text and the catalog alone, so that it is the same after a restart.

pub mod compute;
pub mod define;
pub mod expr;
pub mod group;
pub mod items;
pub mod join;
pub mod names;
pub mod pull;
pub mod query;
pub mod sink;
pub mod source;
pub mod stage;
pub mod with;
