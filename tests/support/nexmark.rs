//! Events after the shapes of Nexmark, for the tests and (by path) for `benches/bench`: of 50 events one is a person, 3 are auctions
//! and 46 are bids; half the bids are on the newest hot auction, three in four come from a hot bidder, as do auctions from a hot
//! seller, and prices are log-uniform. An event depends on its number alone, so any part can be made without what is before it.

use std::io::Write;

/// The smallest id of auctions and persons.
pub const FIRST_ID: u64 = 1_000;
/// Keys of the table `side`.
const SIDE_KEYS: u64 = 10_000;
/// Why a write into memory does not fail.
const MEMORY: &str = "memory takes everything";
const CHANNELS: u64 = 10_000;
const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const STATES: [&str; 6] = ["az", "ca", "id", "or", "wa", "wy"];
const CITIES: [&str; 10] =
    ["phoenix", "los angeles", "san francisco", "boise", "portland", "bend", "redmond", "seattle", "kent", "cheyenne"];
const FIRST_NAMES: [&str; 11] = ["peter", "paul", "luke", "john", "saul", "vicky", "kate", "julie", "sarah", "deiter", "walter"];
const LAST_NAMES: [&str; 9] = ["shultz", "abrams", "spencer", "white", "bartels", "walton", "smith", "jones", "noris"];

/// SplitMix64: small, fast, and good enough to draw test data from.
struct Random(u64);

impl Random {
    fn of(event: u64) -> Random {
        Random(event.wrapping_mul(0xd134_2543_de82_ef95) ^ 0x2a)
    }
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    fn price(&mut self) -> u64 {
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        (10f64.powf(unit * 6.0) * 100.0) as u64
    }
    fn pick(&mut self, of: &[&'static str]) -> &'static str {
        of[self.below(of.len() as u64) as usize]
    }
    /// Somebody who is active while `last` is the newest person; a few are not there yet.
    fn person(&mut self, last: u64) -> u64 {
        let active = (last + 1).min(1_000);
        last + 1 - active + self.below(active + 10)
    }
    fn letters(&mut self, length: u64, out: &mut Vec<u8>) {
        let mut bits = 0u64;
        for i in 0..length {
            if i % 12 == 0 {
                bits = self.next();
            }
            out.push(b'a' + (bits % 26) as u8);
            bits /= 26;
        }
    }
}

/// How many of the first `events` are bids.
pub fn bids_in(events: u64) -> u64 {
    events / 50 * 46 + (events % 50).saturating_sub(4)
}

/// How many of the first `events` are persons.
pub fn persons_in(events: u64) -> u64 {
    events.div_ceil(50)
}

/// How many of the first `events` are auctions.
pub fn auctions_in(events: u64) -> u64 {
    events / 50 * 3 + (events % 50).saturating_sub(1).min(3)
}

fn put_time(millisecond: u64, out: &mut Vec<u8>) {
    let (second, day) = (millisecond / 1_000, 15 + millisecond / 86_400_000);
    let (h, m, s) = (second / 3_600 % 24, second / 60 % 60, second % 60);
    write!(out, "2015-07-{day:02} {h:02}:{m:02}:{s:02}.{:03}", millisecond % 1_000).expect(MEMORY);
}

fn put_channel(random: &mut Random, out: &mut Vec<u8>) {
    let hot = random.below(2) > 0;
    let number = if hot { random.below(4) } else { 4 + random.below(CHANNELS) };
    match HOT_CHANNELS.get(number as usize) {
        Some(name) => out.extend_from_slice(name.as_bytes()),
        None => write!(out, "channel-{}", number - 4).expect(MEMORY),
    }
    write!(out, ",https://www.nexmark.com/{:05}/{:05}/item.htm?query=1", number * 7 % 99_991, number * 31 % 99_991).expect(MEMORY);
    if number >= 4 && number % 10 != 0 {
        write!(out, "&channel_id={}", number * 214_013 % 2_147_483_647).expect(MEMORY);
    }
}

/// What is made, and how fast it happens.
#[derive(Clone, Copy)]
pub struct Nexmark {
    /// Milliseconds from one event to the next; event 0 is at the beginning of 15 July 2015.
    pub pace: u64,
}

impl Nexmark {
    fn put_person(self, event: u64, out: &mut Vec<u8>) {
        let mut random = Random::of(event);
        write!(out, "{},{} {},", event / 50 + FIRST_ID, random.pick(&FIRST_NAMES), random.pick(&LAST_NAMES)).expect(MEMORY);
        random.letters(7, out);
        out.push(b'@');
        random.letters(5, out);
        out.extend_from_slice(b".com,");
        let mut digits = || 1_000 + random.below(9_000);
        write!(out, "{} {} {} {},", digits(), digits(), digits(), digits()).expect(MEMORY);
        write!(out, "{},{},", random.pick(&CITIES), random.pick(&STATES)).expect(MEMORY);
        put_time(event * self.pace, out);
        out.push(b',');
        let length = 88 + random.below(45);
        random.letters(length, out);
        out.push(b'\n');
    }

    fn put_auction(self, event: u64, out: &mut Vec<u8>) {
        let mut random = Random::of(event);
        write!(out, "{},", auctions_in(event) + FIRST_ID).expect(MEMORY);
        for longest in [17, 97] {
            let length = 3 + random.below(longest);
            random.letters(length, out);
            out.push(b',');
        }
        let first = random.price();
        write!(out, "{first},{},", first + random.price()).expect(MEMORY);
        put_time(event * self.pace, out);
        out.push(b',');
        put_time((event + 1 + random.below(3_332)) * self.pace, out);
        let last_person = event / 50;
        let seller = if random.below(4) > 0 { last_person / 100 * 100 } else { random.person(last_person) };
        write!(out, ",{},{},", seller + FIRST_ID, 10 + random.below(5)).expect(MEMORY);
        let length = 272 + random.below(136);
        random.letters(length, out);
        out.push(b'\n');
    }

    fn put_bid(self, event: u64, out: &mut Vec<u8>) {
        let mut random = Random::of(event);
        let (last_auction, last_person) = (auctions_in(event).saturating_sub(1), event / 50);
        let auction = if random.below(2) > 0 {
            last_auction / 100 * 100
        } else {
            let lowest = last_auction.saturating_sub(100);
            lowest + random.below(last_auction - lowest + 11)
        };
        let bidder = if random.below(4) > 0 { last_person / 100 * 100 + 1 } else { random.person(last_person) };
        write!(out, "{},{},{},", auction + FIRST_ID, bidder + FIRST_ID, random.price()).expect(MEMORY);
        put_channel(&mut random, out);
        out.push(b',');
        put_time(event * self.pace, out);
        out.push(b',');
        let length = 54 + random.below(28);
        random.letters(length, out);
        out.push(b'\n');
    }

    /// The persons among the events `from..to` as CSV.
    pub fn persons(self, from: u64, to: u64) -> Vec<u8> {
        let mut out = Vec::new();
        (from..to).filter(|n| n % 50 == 0).for_each(|n| self.put_person(n, &mut out));
        out
    }

    /// The auctions among the events `from..to` as CSV.
    pub fn auctions(self, from: u64, to: u64) -> Vec<u8> {
        let mut out = Vec::new();
        (from..to).filter(|n| (1..4).contains(&(n % 50))).for_each(|n| self.put_auction(n, &mut out));
        out
    }

    /// The bids among the events `from..to` as CSV.
    pub fn bids(self, from: u64, to: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(((to - from) * 200) as usize);
        (from..to).filter(|n| n % 50 >= 4).for_each(|n| self.put_bid(n, &mut out));
        out
    }
}

/// The rows of the table `side` as CSV.
pub fn side() -> Vec<u8> {
    (0..SIDE_KEYS).flat_map(|key| format!("{key},about {key}\n").into_bytes()).collect()
}
