//! TPC-H, `sql/tpch`: every query as a view over keyed tables, while orders come and go and lines, customers and parts change.
//!
//! `EVERFOLD_SEED` draws other data and changes, `EVERFOLD_ROUNDS` sets how many rounds of changes there are.

use crate::support::random::number;
use crate::support::suite::Suite;
use crate::support::tpch::{Data, csv, insert, phone};

/// With its data each query finds rows.
const SEED: u64 = 1;

/// Rounds of changes in the suite.
const ROUNDS: u64 = 2;

/// Queries that are refused for now; the test fails when one no longer is.
const REFUSED: &[&str] = &[];

/// So many orders come, with their lines, as one commit.
fn more_orders(data: &mut Data, suite: &mut Suite, count: usize) {
    let (orders, lines) = data.orders(count);
    suite.run(&format!("BEGIN; {}; {}; COMMIT", insert("orders", &orders), insert("lineitem", &lines)));
}

/// An order goes, with its lines, as one commit.
fn fewer_orders(data: &mut Data, suite: &mut Suite) {
    let at = data.random.below(data.orders.len());
    let key = data.orders.swap_remove(at);
    suite.run(&format!("BEGIN; DELETE FROM lineitem WHERE l_orderkey = {key}; DELETE FROM orders WHERE o_orderkey = {key}; COMMIT"));
}

/// One change of rows that are there.
fn change(data: &mut Data) -> String {
    let order = *data.random.pick(&data.orders);
    let (customer, part) = (data.any_customer(), data.any_part());
    let quantity = data.random.between(1, 50);
    match data.random.below(10) {
        0 => format!("UPDATE lineitem SET l_quantity = {quantity}, l_extendedprice = {quantity} * 901.5 WHERE l_orderkey = {order}"),
        1 => format!("UPDATE lineitem SET l_discount = 0.06, l_returnflag = 'R' WHERE l_partkey = {part} AND l_quantity < {quantity}"),
        2 => format!("UPDATE lineitem SET l_receiptdate = l_receiptdate + 20 WHERE l_orderkey % 20 = {}", order % 20),
        3 => format!("DELETE FROM lineitem WHERE l_orderkey = {order} AND l_linenumber > 2"),
        4 => format!("UPDATE orders SET o_orderdate = '{}', o_orderstatus = 'F' WHERE o_orderkey = {order}", data.order_date()),
        5 => format!("UPDATE orders SET o_comment = '{}' WHERE o_custkey = {customer}", data.order_comment()),
        6 => {
            let (nation, segment) = (data.nation(), data.segment());
            let phone = phone(nation, customer);
            format!(
                "UPDATE customer SET c_nationkey = {nation}, c_phone = '{phone}', c_mktsegment = '{segment}' WHERE c_custkey = {customer}"
            )
        }
        7 => format!("UPDATE customer SET c_acctbal = c_acctbal + 1000.50 WHERE c_custkey % 7 = {}", customer % 7),
        8 => {
            let ((brand, container), ty, size) = (data.brand_and_container(), data.part_type(), data.size());
            let sets = format!("p_brand = '{brand}', p_container = '{container}', p_type = '{ty}', p_size = {size}");
            format!("UPDATE part SET {sets} WHERE p_partkey = {part}")
        }
        _ => format!("UPDATE partsupp SET ps_supplycost = ps_supplycost * 1.1, ps_availqty = {quantity} WHERE ps_partkey = {part}"),
    }
}

/// A round of everything that changes.
fn round(data: &mut Data, suite: &mut Suite) {
    let (parts, supplies) = data.parts(2);
    suite.run(&format!("{}; {}", insert("part", &parts), insert("partsupp", &supplies)));
    suite.run(&insert("customer", &data.customers(3)));
    for _ in 0..6 {
        let count = 1 + data.random.below(6);
        more_orders(data, suite, count);
        fewer_orders(data, suite);
        for _ in 0..3 {
            let sql = change(data);
            suite.run(&sql);
        }
    }
    let comment = data.supplier_comment();
    suite.run(&format!("UPDATE supplier SET s_comment = '{comment}' WHERE s_suppkey % 5 = {}", data.random.below(5)));
    suite.run(&format!("DELETE FROM customer WHERE c_custkey % 3 = 0 AND c_custkey % 10 = {}", data.random.below(10)));
}

#[test]
fn every_view_equals_its_query_after_each_round() {
    let seed = number("EVERFOLD_SEED", SEED);
    let mut data = Data::new(seed);
    let mut suite = Suite::start("tpch");
    for (relation, rows) in data.beginning() {
        suite.copy(relation, &csv(&rows));
    }
    let (parts, supplies) = data.parts(60);
    suite.copy("part", &csv(&parts));
    suite.copy("partsupp", &csv(&supplies));
    let customers = data.customers(60);
    suite.copy("customer", &csv(&customers));
    let (orders, lines) = data.orders(200);
    suite.copy("orders", &csv(&orders));
    suite.create(|_| true, REFUSED);
    suite.copy("lineitem", &csv(&lines));
    let (orders, lines) = data.orders(200);
    suite.copy("lineitem", &csv(&lines));
    suite.copy("orders", &csv(&orders));
    suite.check("loaded", seed == SEED);
    for number in 1..=number("EVERFOLD_ROUNDS", ROUNDS) {
        round(&mut data, &mut suite);
        if number % 2 == 1 {
            suite.run("CHECKPOINT");
            suite.restart();
        } else {
            suite.kill();
        }
        suite.check(&format!("after round {number}"), false);
    }
}
