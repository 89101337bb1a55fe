//! Python's methods of texts, lists and dictionaries, but for those that change a value: Jinja2's sandbox refuses these.

use minijinja::value::{Kwargs, Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

/// Calls a method that the value itself does not have.
pub(super) fn call(state: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let own = match (value.kind(), value.as_str()) {
        (_, Some(text)) => of_text(text, method, args),
        (ValueKind::Seq | ValueKind::Iterable, _) => of_list(value, method, args),
        (ValueKind::Map, _) if method == "copy" => from_args::<()>(args).map(|()| Some(value.clone())),
        _ => Ok(None),
    };
    match own? {
        Some(result) => Ok(result),
        None => pycompat::unknown_method_callback(state, value, method, args),
    }
}

fn of_list(value: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    match method {
        "copy" => from_args::<()>(args).map(|()| Some(value.clone())),
        "index" => {
            let (wanted,): (Value,) = from_args(args)?;
            let items = value.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
            let place = items.iter().position(|item| *item == wanted);
            place.map(|at| Some(Value::from(at))).ok_or_else(|| wrong(format!("{wanted} is not in the list")))
        }
        _ => Ok(None),
    }
}

fn of_text(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let value = match method {
        "partition" | "rpartition" => {
            let (mark,): (&str,) = from_args(args)?;
            if mark.is_empty() {
                return Err(wrong("the separator is empty"));
            }
            let is_last = method == "rpartition";
            let found = if is_last { text.rsplit_once(mark) } else { text.split_once(mark) };
            let parts = match found {
                Some((before, after)) => [before, mark, after],
                None if is_last => ["", "", text],
                None => [text, "", ""],
            };
            Value::from(Tuple::from(parts.map(Value::from)))
        }
        "removeprefix" => {
            let (part,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(part).unwrap_or(text))
        }
        "removesuffix" => {
            let (part,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(part).unwrap_or(text))
        }
        "split" | "rsplit" => split(text, method == "rsplit", args)?,
        "splitlines" => {
            let (keep, more): (Option<Value>, Kwargs) = from_args(args)?;
            let keep = keep.map_or_else(|| more.get::<Option<Value>>("keepends"), |value| Ok(Some(value)))?;
            more.assert_all_used()?;
            lines(text, keep.is_some_and(|value| value.is_true()))
        }
        "join" => {
            let (parts,): (Value,) = from_args(args)?;
            let parts = parts.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
            let texts: Option<Vec<&str>> = parts.iter().map(Value::as_str).collect();
            Value::from(texts.ok_or_else(|| wrong("join accepts only strings"))?.join(text))
        }
        "title" => from_args::<()>(args).map(|()| Value::from(title(text)))?,
        "swapcase" => from_args::<()>(args).map(|()| text.chars().map(swapped).collect::<String>().into())?,
        "casefold" => from_args::<()>(args).map(|()| Value::from(text.to_lowercase().replace('ß', "ss")))?,
        "isdigit" | "isdecimal" => {
            let () = from_args(args)?;
            Value::from(!text.is_empty() && text.chars().all(|letter| letter.is_ascii_digit()))
        }
        "zfill" => {
            let (width,): (usize,) = from_args(args)?;
            let sign = text.len() - text.trim_start_matches(['+', '-']).len();
            let (sign, digits) = text.split_at(sign.min(1));
            Value::from(format!("{sign}{}{digits}", fill(text, width, "0")?))
        }
        "ljust" | "rjust" | "center" => {
            let (width, with): (usize, Option<&str>) = from_args(args)?;
            let blank = fill(text, width, with.unwrap_or(" "))?;
            let count = blank.chars().count();
            let left = match method {
                "ljust" => 0,
                "rjust" => count,
                // Python puts the odd one on the left where the width is odd.
                _ => count / 2 + (count & width & 1),
            };
            let split = blank.char_indices().nth(left).map_or(blank.len(), |(at, _)| at);
            let (left, right) = blank.split_at(split);
            Value::from(format!("{left}{text}{right}"))
        }
        "find" | "rfind" | "index" | "rindex" | "count" => find(text, method, args)?,
        _ => return Ok(None),
    };
    Ok(Some(value))
}

fn split(text: &str, from_right: bool, args: &[Value]) -> Result<Value, Error> {
    let (mark, most, more): (Option<Value>, Option<i64>, Kwargs) = from_args(args)?;
    let mark = mark.map_or_else(|| more.get::<Option<Value>>("sep"), |value| Ok(Some(value)))?;
    let most = most.map_or_else(|| more.get::<Option<i64>>("maxsplit"), |value| Ok(Some(value)))?;
    more.assert_all_used()?;
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    let mark = mark.filter(|mark| !mark.is_none());
    let Some(mark) = &mark else { return Ok(words(text, from_right, most)) };
    let mark =
        mark.as_str().filter(|mark| !mark.is_empty()).ok_or_else(|| wrong("split needs a string that is not empty"))?;
    let parts = most.saturating_add(1);
    Ok(match from_right {
        false => text.splitn(parts, mark).collect(),
        true => reversed(text.rsplitn(parts, mark).collect()),
    })
}

fn reversed(mut parts: Vec<&str>) -> Value {
    parts.reverse();
    parts.into_iter().collect()
}

/// Splits at runs of white space, at most so many times. The last part keeps its other end as it is.
fn words(text: &str, from_right: bool, most: usize) -> Value {
    let trimmed = |text| if from_right { str::trim_end(text) } else { str::trim_start(text) };
    let (mut parts, mut rest) = (Vec::new(), trimmed(text));
    while !rest.is_empty() {
        let end = if from_right { rest.rfind(char::is_whitespace) } else { rest.find(char::is_whitespace) };
        let Some(end) = end.filter(|_| parts.len() < most) else {
            parts.push(rest);
            break;
        };
        let (before, after) = rest.split_at(end);
        parts.push(if from_right { after.trim_start() } else { before });
        rest = trimmed(if from_right { before } else { after });
    }
    if from_right { reversed(parts) } else { parts.into_iter().collect() }
}

/// Lines by Python's line ends.
fn lines(text: &str, keep: bool) -> Value {
    let is_end = |letter: char| {
        matches!(letter, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
    };
    let (mut lines, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(is_end) {
        let end = if rest[at..].starts_with("\r\n") { 2 } else { rest[at..].chars().next().map_or(1, char::len_utf8) };
        lines.push(if keep { &rest[..at + end] } else { &rest[..at] });
        rest = &rest[at + end..];
    }
    lines.extend(Some(rest).filter(|rest| !rest.is_empty()));
    lines.into_iter().collect()
}

/// A letter behind anything but a letter is a capital.
fn title(text: &str) -> String {
    let (mut result, mut inside) = (String::new(), false);
    for letter in text.chars() {
        match inside {
            true => result.extend(letter.to_lowercase()),
            false => result.extend(letter.to_uppercase()),
        }
        inside = letter.is_alphabetic();
    }
    result
}

fn swapped(letter: char) -> char {
    let other = if letter.is_uppercase() { letter.to_lowercase().next() } else { letter.to_uppercase().next() };
    other.unwrap_or(letter)
}

/// What a text lacks to a width.
fn fill(text: &str, width: usize, with: &str) -> Result<String, Error> {
    let lacking = width.saturating_sub(text.chars().count());
    if with.chars().count() != 1 {
        return Err(wrong("the fill character is not one character"));
    }
    if lacking > 1 << 20 {
        return Err(wrong("the width is above a million"));
    }
    Ok(with.repeat(lacking))
}

/// Where a part is in a text, or how often, counted in characters.
fn find(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let (part, from, to): (&str, Option<i64>, Option<i64>) = from_args(args)?;
    let count = text.chars().count();
    let place =
        |at: i64| if at < 0 { count.saturating_sub(at.unsigned_abs() as usize) } else { count.min(at as usize) };
    let (from, to) = (place(from.unwrap_or(0)), to.map_or(count, place));
    let byte = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(at, _)| at);
    let range = (from <= to).then(|| &text[byte(from)..byte(to)]);
    if method == "count" {
        return Ok(Value::from(range.map_or(0, |range| range.matches(part).count())));
    }
    let found = range.and_then(|range| {
        let at = if method.starts_with('r') { range.rfind(part) } else { range.find(part) };
        at.map(|at| from + range[..at].chars().count())
    });
    match found {
        Some(at) => Ok(Value::from(at)),
        None if method.ends_with("index") => Err(wrong("substring not found")),
        None => Ok(Value::from(-1)),
    }
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.into())
}
