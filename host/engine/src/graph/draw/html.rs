//! The picture on a page of its own, with each resource's spec and changes beside it.
//!
//! The plan goes into the page as data. The script puts it on show as text only, and the page
//! may load nothing at all.

use super::json::graph;
use super::model::Drawing;
use super::svg;
use crate::plan::words::plain;
use crate::secret::shown;

pub(super) fn draw(drawing: &Drawing<'_>) -> String {
    let data = serde_json::to_string(&graph(drawing.plan, true)).expect("strings for keys, and nothing that can fail");
    // `<` is nowhere in JSON's own grammar: so escaped, no text can end the script element.
    // What is not to be shown would not be recognised after that.
    let data = shown(&data).replace('<', "\\u003c");
    let title = plain(&drawing.plan.pipeline);
    [
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ",
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n<title>Plan of ",
        &svg::xml(&title),
        "</title>\n<style>\n",
        include_str!("page.css"),
        "</style>\n</head>\n<body>\n<main id=\"view\" aria-label=\"Graph of the plan\">\n",
        &svg::draw(drawing),
        concat!(
            "</main>\n<div id=\"tools\"><button id=\"in\" title=\"Zoom in\" aria-label=\"Zoom in\">+</button>",
            "<button id=\"out\" title=\"Zoom out\" aria-label=\"Zoom out\">−</button>",
            "<button id=\"fit\" title=\"Show all\">Fit</button></div>\n",
            "<aside id=\"panel\" aria-live=\"polite\" hidden></aside>\n",
            "<script type=\"application/json\" id=\"plan\">",
        ),
        &data,
        "</script>\n<script>\n",
        include_str!("page.js"),
        "</script>\n</body>\n</html>\n",
    ]
    .concat()
}
