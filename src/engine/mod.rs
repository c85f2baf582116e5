//! Where the parts meet: sessions, statements, dataflows, recovery.

pub mod session;

pub use session::{Column, CopyDirection, CopyIn, CopyOut, Engine, Parameters, Prepared, Response, Session, TransactionStatus};
