//! The picture on a page of its own, with what is known of each resource and step beside it; and the same page with a run on it.
//!
//! The plan and the run go into the page as data. The script puts them on show as text only, and the page may load nothing
//! but the events of a run that goes on, from where the page itself came from.

use super::json::graph;
use super::model::Drawing;
use super::notes::Notes;
use super::svg;
use crate::plan::words::plain;
use crate::secret::shown;

/// What a page shows of a run.
#[derive(Debug, Clone, Copy)]
pub enum Follow<'a> {
    /// A run that goes on: a stream of server-sent events at this address, relative to the page.
    Live(&'a str),
    /// A run that ended: its events, each a JSON object with the member `at`, milliseconds since the run started.
    Recorded(&'a [String]),
}

pub(super) fn draw(drawing: &Drawing<'_>, notes: &Notes, follow: Option<Follow<'_>>) -> String {
    let data =
        serde_json::to_string(&graph(drawing.plan, Some(notes))).expect("strings for keys, and nothing that can fail");
    let title = plain(&drawing.plan.pipeline);
    // The picture by itself is an image; on the page, each resource in it is a button.
    let picture = svg::draw(drawing).replacen("role=\"img\"", "role=\"group\"", 1);
    let connect = if matches!(follow, Some(Follow::Live(_))) { "; connect-src 'self'" } else { "" };
    let mut page = [
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ",
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'",
        connect,
        "\">\n<title>Plan of ",
        &svg::xml(&title),
        "</title>\n<style>\n",
        include_str!("page.css"),
        follow.map_or("", |_| include_str!("run.css")),
        "</style>\n</head>\n<body>\n<main id=\"view\" aria-label=\"Graph of the plan\">\n",
        &picture,
        concat!(
            "</main>\n<div id=\"find\" role=\"search\"><input id=\"search\" type=\"search\" placeholder=\"Search ( / )\" ",
            "aria-label=\"Search resources\"><span id=\"found\" role=\"status\"></span>",
            "<span id=\"actions\" role=\"group\" aria-label=\"Filter by action\"></span></div>\n",
            "<div id=\"tools\"><button id=\"in\" title=\"Zoom in (+)\" aria-label=\"Zoom in\">+</button>",
            "<button id=\"out\" title=\"Zoom out (-)\" aria-label=\"Zoom out\">−</button>",
            "<button id=\"fit\" title=\"Show all (0)\">Fit</button>",
        ),
        follow.map_or("", |_| "<button id=\"show-timeline\">Timeline</button>"),
        "</div>\n",
        follow.map_or("", |_| "<section id=\"run\" aria-label=\"Run\"></section>\n<section id=\"timeline\" aria-label=\"Timeline\" hidden></section>\n"),
        "<aside id=\"panel\" aria-live=\"polite\" hidden></aside>\n",
    ]
    .concat();
    script_data(&mut page, "plan", &data);
    if let Some(follow) = follow {
        let events = match follow {
            Follow::Live(address) => serde_json::json!({ "live": address }).to_string(),
            Follow::Recorded(events) => format!("{{\"recorded\":[{}]}}", events.join(",")),
        };
        script_data(&mut page, "events", &events);
    }
    page += "<script>\n";
    page += include_str!("page.js");
    if follow.is_some() {
        page += "</script>\n<script>\n";
        page += include_str!("run.js");
    }
    page += "</script>\n</body>\n</html>\n";
    page
}

/// Data of the page, as JSON.
fn script_data(page: &mut String, id: &str, json: &str) {
    // `<` is nowhere in JSON's own grammar: so escaped, no text can end the script element.
    // What is not to be shown would not be recognised after that.
    let json = shown(json).replace('<', "\\u003c");
    page.push_str(&format!("<script type=\"application/json\" id=\"{id}\">{json}</script>\n"));
}
