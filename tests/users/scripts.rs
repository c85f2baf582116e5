//! Every script under `sql/` prints what is recorded, on a data directory and against a server alike.
//!
//! The queries of the suites are no scripts: they need generated data, and have tests of their own.

use std::path::PathBuf;

use super::{compare, printed, sql_files, top};
use crate::support::server::Server;

/// Directories below `sql/` that [`crate::nexmark`] and [`crate::tpch`] run.
const SUITES: [&str; 2] = ["nexmark", "tpch"];

#[test]
fn every_script_prints_what_is_recorded() {
    let sql = top().join("sql");
    let of_suite = |path: &PathBuf| SUITES.iter().any(|suite| path.starts_with(sql.join(suite)));
    let scripts: Vec<PathBuf> = sql_files(&sql).into_iter().filter(|path| !of_suite(path)).collect();
    assert!(!scripts.is_empty());
    for script in scripts {
        let name = script.strip_prefix(&sql).expect("it was found below").with_extension("").display().to_string().replace('/', "_");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let data = directory.path().join("data").display().to_string();
        let here = printed(&script, &["--data", &data]);
        compare(&name, &here);
        let server = Server::start();
        assert_eq!(printed(&script, &["--server", &server.address.to_string()]), here, "{name}: a server answers otherwise");
    }
}
