//! Aggregate functions of ksqlDB's dialect, a family a file.

mod bag;
pub mod collect;
pub mod count;
mod exact;
pub mod extremes;
pub mod histogram;
#[cfg(test)]
mod laws;
pub mod offset;
mod state;
pub mod statistics;
pub mod sum;
pub mod topk;
