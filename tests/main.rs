//! The suite that runs the real binary: statements, types, arithmetic, clients, bad input, what a new user meets, and the tidiness
//! of the source.
//!
//! One binary with a module per subject, so that it is linked once. Programs that a machine may lack (psql, Python with psycopg) are
//! asked for, and a test that needs them says that it is skipped.

mod answers;
mod bad_input;
mod clients;
mod fuzz;
mod laws;
mod nexmark;
mod progress;
mod security;
mod slt;
mod support;
mod tidy;
mod tpch;
mod users;
mod users_types;
