"""Looks at pages in headless Chromium.

Usage: page.py CHROMIUM, with a JSON list of jobs as input; each job is {"page": FILE or ADDRESS, "size": [WIDTH, HEIGHT]} and any of
  "dark": true         the system prefers dark colours
  "until": TEXT        waits until the page has this text
  "script": CODE       runs this on the page
  "click": [SELECTOR]  clicks on these, each in turn
  "text": SELECTOR     answers with the text of this
  "frames": true       pans and zooms for two seconds, and answers with frames a second, median and mean, and how many
                       places the picture was in
  "image": FILE        answers what is in a PNG file: its size, how many colours, and the part that differs from its corner
  "picture": FILE      writes a picture of 256 colours: of the window, or
  "of": SELECTOR       of this
Prints a list with the answer of each job, or null.
"""

import base64
import json
import pathlib
import sys

from PIL import Image
from playwright.sync_api import sync_playwright

# Three quarters of the time the picture is dragged in a circle, and then zoomed in and out.
PAN = """async () => {
  const view = document.getElementById("view"), svg = view.querySelector("svg"), stamps = [], places = new Set(), [width, height] = [innerWidth, innerHeight];
  const at = turn => ({ pointerId: 7, bubbles: true, button: 0,
    clientX: width / 2 + Math.cos(turn) * width / 4, clientY: height / 2 + Math.sin(turn) * height / 4 });
  const frame = () => new Promise(requestAnimationFrame);
  view.dispatchEvent(new PointerEvent("pointerdown", at(0)));
  const start = await frame();
  for (let now = start; now < start + 2000; stamps.push(now = await frame())) {
    const part = (now - start) / 2000;
    if (part < 0.75) view.dispatchEvent(new PointerEvent("pointermove", at(part * 4 * Math.PI)));
    else view.dispatchEvent(new WheelEvent("wheel", { bubbles: true, cancelable: true, clientX: width / 2,
      clientY: height / 2, deltaY: part < 0.875 ? -30 : 30 }));
    places.add(svg.style.transform);
  }
  view.dispatchEvent(new PointerEvent("pointerup", at(0)));
  const gaps = stamps.slice(1).map((stamp, n) => stamp - stamps[n]).sort((a, b) => a - b);
  return { median: 1000 / gaps[Math.floor(gaps.length / 2)], mean: 1000 * gaps.length / gaps.reduce((sum, gap) => sum + gap),
    places: places.size };
}"""

IMAGE = """async encoded => {
  const image = new Image();
  image.src = "data:image/png;base64," + encoded;
  await image.decode();
  const { width, height } = image, context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
  const ink = pixels.reduce((sum, pixel) => sum + (pixel !== pixels[0]), 0) / pixels.length;
  return { width, height, colours: new Set(pixels).size, ink };
}"""


def reduce(path):
    """A palette is enough for boxes and letters, with a third of the bytes."""
    with Image.open(path) as picture:
        reduced = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)


def do(browser, job):
    width, height = job["size"]
    look = {"viewport": {"width": width, "height": height}, "color_scheme": "dark" if job.get("dark") else "light"}
    page = browser.new_page(**look)
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(job["page"] if ":" in job["page"] else pathlib.Path(job["page"]).absolute().as_uri())
    answer = None
    if "until" in job:
        page.get_by_text(job["until"]).first.wait_for()
    if "script" in job:
        answer = page.evaluate(job["script"])
    for selector in job.get("click", []):
        # Near its corner: in the middle of a step may be a resource.
        page.click(selector, position={"x": 7, "y": 7})
    if "text" in job:
        answer = page.inner_text(job["text"])
    if job.get("frames"):
        answer = page.evaluate(PAN)
    if "image" in job:
        answer = page.evaluate(IMAGE, base64.b64encode(pathlib.Path(job["image"]).read_bytes()).decode())
    if "picture" in job:
        (page.locator(job["of"]) if "of" in job else page).screenshot(path=job["picture"])
        reduce(job["picture"])
    assert problems == [], problems
    page.close()
    return answer


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=sys.argv[1], args=["--no-sandbox", "--disable-gpu"])
    print(json.dumps([do(browser, job) for job in json.load(sys.stdin)]))
    browser.close()
