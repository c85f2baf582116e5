//! The proleptic Gregorian calendar: days since 1970-01-01 and civil dates.

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;
/// Nanoseconds of a day.
pub const DAY_NS: i64 = 86_400_000_000_000;
/// The largest year that Java knows, either way.
pub const YEAR_MAX: i64 = 999_999_999;

/// Year, month and day of month of a count of days since 1970-01-01.
pub fn civil_of_day(day: i64) -> (i64, i64, i64) {
    // Years that begin in March, in eras of 400 years, so that the leap day comes last.
    let shifted = day.saturating_add(719_468);
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let dom = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, dom)
}

/// The count of days since 1970-01-01 of a civil date; a day beyond the month's end counts on.
pub fn day_of_civil(year: i64, month: i64, dom: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted_month + 2) / 5 + dom - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

/// True for a leap year.
pub fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

/// The number of days of a month.
pub fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Monday is 1, Sunday 7.
pub fn day_of_week(day: i64) -> i64 {
    (day + 3).rem_euclid(7) + 1
}

/// The Sunday on or before January 1st: the first day of a year of American weeks.
pub fn first_week(year: i64) -> i64 {
    let first = day_of_civil(year, 1, 1);
    first - day_of_week(first) % 7
}

/// Year and week of the American calendar of weeks, which begin on Sundays; the first one has January 1st in it.
pub fn week_of(day: i64) -> (i64, i64) {
    let (year, ..) = civil_of_day(day);
    let next = first_week(year + 1);
    if day >= next { (year + 1, (day - next) / 7 + 1) } else { (year, (day - first_week(year)) / 7 + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_convert_both_ways() {
        for (day, date) in [(0, (1970, 1, 1)), (-1, (1969, 12, 31)), (18_993, (2022, 1, 1)), (19_782, (2024, 2, 29)), (-719_528, (0, 1, 1))]
        {
            assert_eq!(civil_of_day(day), date);
            assert_eq!(day_of_civil(date.0, date.1, date.2), day);
        }
        assert_eq!(day_of_week(0), 4);
        assert_eq!(week_of(day_of_civil(2021, 12, 26)), (2022, 1));
        assert_eq!(week_of(day_of_civil(2022, 1, 2)), (2022, 2));
    }
}
