//! Data after the shapes of TPC-H, some thousandths of its smallest size: keys refer to rows that are there, and what the queries ask
//! for (a nation, a brand, a quarter) comes often enough that each of them finds rows.

use chrono::{Days, NaiveDate};

use super::random::Random;

/// A row, cells as text.
pub type Row = Vec<String>;

const REGIONS: [&str; 5] = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"];
/// Nations in the order of their keys, with their regions.
const NATIONS: [(&str, usize); 25] = [
    ("ALGERIA", 0),
    ("ARGENTINA", 1),
    ("BRAZIL", 1),
    ("CANADA", 1),
    ("EGYPT", 4),
    ("ETHIOPIA", 0),
    ("FRANCE", 3),
    ("GERMANY", 3),
    ("INDIA", 2),
    ("INDONESIA", 2),
    ("IRAN", 4),
    ("IRAQ", 4),
    ("JAPAN", 2),
    ("JORDAN", 4),
    ("KENYA", 0),
    ("MOROCCO", 0),
    ("MOZAMBIQUE", 0),
    ("PERU", 1),
    ("CHINA", 2),
    ("ROMANIA", 3),
    ("SAUDI ARABIA", 4),
    ("VIETNAM", 2),
    ("RUSSIA", 3),
    ("UNITED KINGDOM", 3),
    ("UNITED STATES", 1),
];
/// The nations that queries name, and those that must have customers for the others to sell to.
const FREQUENT: [usize; 8] = [2, 3, 6, 7, 8, 18, 20, 24];
const SEGMENTS: [&str; 5] = ["AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"];
const PRIORITIES: [&str; 5] = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"];
const MODES: [&str; 7] = ["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"];
const INSTRUCTIONS: [&str; 3] = ["DELIVER IN PERSON", "COLLECT COD", "NONE"];
const WORDS: [&str; 6] = ["forest", "green", "almond", "ivory", "navy", "rose"];
const BRANDS: [&str; 5] = ["Brand#11", "Brand#12", "Brand#23", "Brand#34", "Brand#45"];
const CONTAINERS: [&str; 8] = ["SM CASE", "SM BOX", "MED BAG", "MED BOX", "LG CASE", "LG BOX", "JUMBO PKG", "WRAP CAN"];
const TYPES: [[&str; 5]; 3] = [
    ["STANDARD", "MEDIUM", "LARGE", "ECONOMY", "PROMO"],
    ["ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED"],
    ["TIN", "NICKEL", "BRASS", "STEEL", "COPPER"],
];
const SIZES: [usize; 8] = [49, 14, 23, 45, 19, 3, 36, 9];
/// Suppliers of a part.
const SUPPLIERS_EACH: usize = 4;
const SUPPLIERS: usize = 20;
/// Days from the first order to the last.
const DAYS: usize = 2_405;
/// From this day (of the first order's) on lines are open.
const TODAY: usize = 1_263;

/// What is there, so that what comes can refer to it.
pub struct Data {
    pub random: Random,
    customers: usize,
    parts: usize,
    next_order: usize,
    /// Keys of the orders that are there.
    pub orders: Vec<usize>,
}

fn cells(cells: &[&dyn std::fmt::Display]) -> Row {
    cells.iter().map(|c| c.to_string()).collect()
}

fn day(number: usize) -> NaiveDate {
    NaiveDate::from_ymd_opt(1992, 1, 1).expect("a date") + Days::new(number as u64)
}

fn cents(amount: i64) -> String {
    format!("{}{}.{:02}", if amount < 0 { "-" } else { "" }, amount.abs() / 100, amount.abs() % 100)
}

impl Data {
    /// Nothing yet.
    pub fn new(seed: u64) -> Data {
        Data { random: Random::new(seed), customers: 0, parts: 0, next_order: 1, orders: vec![] }
    }

    fn one_of(&mut self, words: &[&'static str]) -> &'static str {
        words[self.random.below(words.len())]
    }

    /// Regions, nations and suppliers, which are few and the same from the beginning.
    pub fn beginning(&mut self) -> Vec<(&'static str, Vec<Row>)> {
        let regions = REGIONS.iter().enumerate().map(|(i, name)| cells(&[&i, name, &"a region"])).collect();
        let nations = NATIONS.iter().enumerate().map(|(i, (name, region))| cells(&[&i, name, region, &"a nation"])).collect();
        let suppliers = (1..=SUPPLIERS).map(|key| self.supplier(key)).collect();
        vec![("region", regions), ("nation", nations), ("supplier", suppliers)]
    }

    fn supplier(&mut self, key: usize) -> Row {
        // The first ones are from everywhere that queries name.
        let nation = FREQUENT.get(key - 1).copied().unwrap_or_else(|| self.nation());
        let balance = cents(self.random.between(-99_999, 999_999));
        let comment = self.supplier_comment();
        cells(&[&key, &format!("Supplier#{key:09}"), &format!("street {key}"), &nation, &phone(nation, key), &balance, &comment])
    }

    pub fn supplier_comment(&mut self) -> &'static str {
        self.one_of(&["punctual", "slow", "cheap", "dear", "many Customer heard Complaints"])
    }

    pub fn nation(&mut self) -> usize {
        if self.random.chance(80) { *self.random.pick(&FREQUENT) } else { self.random.below(NATIONS.len()) }
    }

    /// So many new customers.
    pub fn customers(&mut self, count: usize) -> Vec<Row> {
        let first = self.customers + 1;
        self.customers += count;
        (first..first + count).map(|key| self.customer(key)).collect()
    }

    fn customer(&mut self, key: usize) -> Row {
        let nation = self.nation();
        let balance = cents(self.random.between(-99_999, 999_999));
        let segment = self.segment();
        cells(&[
            &key,
            &format!("Customer#{key:09}"),
            &format!("road {key}"),
            &nation,
            &phone(nation, key),
            &balance,
            &segment,
            &format!("customer {key}"),
        ])
    }

    pub fn segment(&mut self) -> &'static str {
        if self.random.chance(30) { "BUILDING" } else { self.one_of(&SEGMENTS) }
    }

    /// Any customer's key.
    pub fn any_customer(&mut self) -> usize {
        1 + self.random.below(self.customers)
    }

    /// A third of the customers never orders.
    fn buyer(&mut self) -> usize {
        let key = self.any_customer();
        if key.is_multiple_of(3) { key - 1 } else { key }
    }

    /// So many new parts, and who supplies them.
    pub fn parts(&mut self, count: usize) -> (Vec<Row>, Vec<Row>) {
        let first = self.parts + 1;
        self.parts += count;
        let parts = (first..first + count).map(|key| self.part(key)).collect();
        let supplies = (first..first + count).flat_map(|key| (0..SUPPLIERS_EACH).map(move |n| (key, supplier_of(key, n))));
        let supplies = supplies.map(|(part, supplier)| {
            let (quantity, cost) = (self.random.between(1, 200), cents(self.random.between(100, 20_000)));
            cells(&[&part, &supplier, &quantity, &cost, &"in stock"])
        });
        (parts, supplies.collect())
    }

    fn part(&mut self, key: usize) -> Row {
        let (first, second) = (self.one_of(&WORDS), self.one_of(&WORDS));
        let (brand, container) = self.brand_and_container();
        let (ty, size) = (self.part_type(), self.size());
        cells(&[
            &key,
            &format!("{first} {second}"),
            &"Manufacturer#1",
            &brand,
            &ty,
            &size,
            &container,
            &cents(90_000 + key as i64 * 10),
            &"a part",
        ])
    }

    pub fn brand_and_container(&mut self) -> (&'static str, &'static str) {
        match self.random.chance(15) {
            true => ("Brand#23", "MED BOX"),
            false => (self.one_of(&BRANDS), self.one_of(&CONTAINERS)),
        }
    }

    pub fn part_type(&mut self) -> String {
        match self.random.chance(25) {
            true => "ECONOMY ANODIZED STEEL".into(),
            false => TYPES.iter().map(|words| self.one_of(words)).collect::<Vec<_>>().join(" "),
        }
    }

    pub fn size(&mut self) -> usize {
        match self.random.below(3) {
            0 => 15,
            1 => 1 + self.random.below(5),
            _ => *self.random.pick(&SIZES),
        }
    }

    /// Any part's key.
    pub fn any_part(&mut self) -> usize {
        1 + self.random.below(self.parts)
    }

    /// So many new orders, and their lines.
    pub fn orders(&mut self, count: usize) -> (Vec<Row>, Vec<Row>) {
        let (mut orders, mut lines) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let key = self.next_order;
            self.next_order += 1;
            self.orders.push(key);
            let date = self.random.below(DAYS);
            // Some are large, as q18 wants them.
            let large = self.random.chance(8);
            let count = if large { 7 } else { 1 + self.random.below(6) };
            let mut own = (1..=count).map(|number| self.line(key, number, date, large)).collect();
            orders.push(self.order(key, date));
            lines.append(&mut own);
        }
        (orders, lines)
    }

    fn order(&mut self, key: usize, date: usize) -> Row {
        let status = if date + 121 < TODAY { "F" } else { self.one_of(&["O", "P"]) };
        let comment = self.order_comment();
        let (customer, priority) = (self.buyer(), self.one_of(&PRIORITIES));
        let price = cents(self.random.between(100_000, 40_000_000));
        cells(&[&key, &customer, &status, &price, &day(date), &priority, &"Clerk#1", &0, &comment])
    }

    pub fn order_comment(&mut self) -> &'static str {
        self.one_of(&["as ever", "in haste", "a gift", "some special and odd requests"])
    }

    pub fn order_date(&mut self) -> NaiveDate {
        day(self.random.below(DAYS))
    }

    fn line(&mut self, order: usize, number: usize, ordered: usize, large: bool) -> Row {
        let (part, supply) = (self.any_part(), self.random.below(SUPPLIERS_EACH));
        let quantity = if large { self.random.between(43, 50) } else { self.random.between(1, 50) };
        let price = quantity * (90_000 + part as i64 * 10);
        let shipped = ordered + 1 + self.random.below(121);
        let (committed, received) = (ordered + 30 + self.random.below(61), shipped + 1 + self.random.below(30));
        let returned = if received <= TODAY { self.one_of(&["R", "A"]) } else { "N" };
        cells(&[
            &order,
            &number,
            &part,
            &supplier_of(part, supply),
            &cents(quantity * 100),
            &cents(price),
            &cents(self.random.between(0, 10)),
            &cents(self.random.between(0, 8)),
            &returned,
            &if shipped > TODAY { "O" } else { "F" },
            &day(shipped),
            &day(committed),
            &day(received),
            &self.one_of(&INSTRUCTIONS),
            &self.one_of(&MODES),
            &"a line",
        ])
    }
}

/// The n-th supplier of a part.
fn supplier_of(part: usize, n: usize) -> usize {
    1 + (part + n * (SUPPLIERS / SUPPLIERS_EACH)) % SUPPLIERS
}

/// A phone number, which begins with its country.
pub fn phone(nation: usize, key: usize) -> String {
    format!("{}-{:03}-{:03}-{:04}", nation + 10, key * 7 % 1_000, key * 13 % 1_000, key * 31 % 10_000)
}

/// Rows as CSV.
pub fn csv(rows: &[Row]) -> Vec<u8> {
    rows.iter().flat_map(|row| (row.join(",") + "\n").into_bytes()).collect()
}

/// Rows as an INSERT.
pub fn insert(relation: &str, rows: &[Row]) -> String {
    let tuple = |row: &Row| format!("({})", row.iter().map(|cell| format!("'{cell}'")).collect::<Vec<_>>().join(", "));
    format!("INSERT INTO {relation} VALUES {}", rows.iter().map(tuple).collect::<Vec<_>>().join(", "))
}
