"""The chat page in headless Chromium. Usage: chat.py ADDRESS CHROMIUM [FOLDER for pictures]

The server's assistant repeats what it is told; with `slow` in it, a word every 80 ms.
"""

import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

ADDRESS, CHROMIUM = sys.argv[1:3]
PICTURES = Path(sys.argv[3]) if len(sys.argv) > 3 else None
TOOLS = '[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]'


def until(page, expression):
    """Polls from outside: the page's policy lets nobody evaluate texts inside."""
    deadline = time.monotonic() + 20
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        time.sleep(0.02)


def opened(browser, **more):
    page = browser.new_page(viewport={"width": 900, "height": 640}, **more)
    page.set_default_timeout(20_000)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.goto(f"http://{ADDRESS}/")
    until(page, "document.getElementById('model').textContent.includes('assistant')")
    return page


def say(page, text):
    page.fill("#text", text)
    page.press("#text", "Enter")


def idle(page):
    until(page, "document.getElementById('send').textContent === 'Send'")


def streaming(page):
    until(page, "document.querySelector('article.assistant')?.textContent.includes('You said')")


def texts(page, role="assistant"):
    return page.locator(f"article.{role}").all_inner_texts()


def pictures(page, name):
    """As docs/pictures has them, if there is a folder for them."""
    if PICTURES:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=PICTURES / f"{name}-{scheme}.png")


def new_while_an_answer_comes_begins_an_empty_conversation(page):
    say(page, "slow " + "word " * 40)
    streaming(page)
    page.click("#new")
    page.wait_for_timeout(400)
    assert texts(page) == [] and page.evaluate("talk.messages.length") == 0
    say(page, "hello")
    idle(page)
    assert [one["role"] for one in page.evaluate("talk.messages")] == ["user", "assistant"]
    assert "You said: hello" in texts(page)[0] and len(texts(page)) == 1


def enter_while_an_answer_comes_keeps_the_text(page):
    say(page, "slow " + "word " * 20)
    streaming(page)
    say(page, "the next question")
    assert page.input_value("#text") == "the next question"
    idle(page)
    assert "word word" in texts(page)[0], "the answer went on"
    page.press("#text", "Enter")
    idle(page)
    assert "You said: the next question" in texts(page)[-1]


def stop_keeps_what_was_said(page):
    say(page, "slow " + "word " * 60)
    streaming(page)
    page.click("#send")
    idle(page)
    assert "stopped" in texts(page)[0] and len(page.evaluate("talk.messages")) == 2


def a_message_that_failed_leaves_the_history(page):
    say(page, "refuse")
    page.wait_for_selector("article.error")
    assert "the context has 4096" in texts(page, "error")[0]
    assert page.evaluate("talk.messages") == [] and page.input_value("#text") == "refuse"
    say(page, "explode")
    until(page, "document.body.innerText.includes('it exploded')")
    assert "failed: it exploded" in texts(page)[0], "half an answer stays, and says that it failed"


def an_answer_that_the_limit_cut_says_so_and_goes_on(page):
    page.click("summary")
    page.fill("#most", "4")
    say(page, "one two three four five six seven eight")
    idle(page)
    assert "cut at the limit of 4 tokens" in texts(page)[0], texts(page)
    with page.expect_request("**/v1/chat/completions") as request:
        page.click("article button")
    messages = request.value.post_data_json["messages"]
    assert messages[-1]["role"] == "assistant" and len(messages) == 2
    idle(page)
    assert len(texts(page)) == 1 and len(page.evaluate("talk.messages")) == 2
    assert page.evaluate("talk.messages[1].content").startswith(messages[-1]["content"] + "You said")


def the_last_line_is_seen(page):
    for count in range(6):
        say(page, f"{count}\n\n" + "A line of an answer.\n\n" * 12 + "the end")
        idle(page)
    bottom, edge = page.evaluate("""() => {
        const last = [...document.querySelectorAll('article.assistant')].at(-1);
        const inner = last.querySelector('small').getBoundingClientRect();
        if (last.scrollHeight > last.clientHeight + 1) throw new Error('the answer is cut off');
        return [inner.bottom, document.getElementById('talk').getBoundingClientRect().bottom];
    }""")
    assert bottom <= edge, (bottom, edge)


MARKDOWN = """# A title

Some **bold**, *italic*, `code` and a [link](https://example.com/a_(b)).

1. one
2. two
   - inner

> quoted

| a | b |
|---|---|
| 1 | `2` |

```python
print("<b>not bold</b>")
```

<img src=x onerror="document.title='broken'"><script>document.title='broken'</script>
[bad](javascript:document.title='broken') ![picture](https://example.com/p.png)
"""


def markdown_is_shown_and_no_markup_gets_in(page):
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    say(page, MARKDOWN)
    idle(page)
    answer = page.locator("article.assistant .answer")
    for selector in ["strong", "em", "code", "ol > li", "ul > li", "blockquote p", "table td", "pre code", "a"]:
        assert answer.locator(selector).count() > 0, selector
    assert answer.locator("img, script").count() == 0
    assert page.title() == "llmhost"
    hrefs = answer.locator("a").evaluate_all("all => all.map(one => one.href)")
    assert hrefs == ["https://example.com/a_(b)", "https://example.com/p.png"], hrefs
    assert answer.locator("pre code").inner_text() == 'print("<b>not bold</b>")'
    assert not [url for url in requests if "example.com" in url], "nothing is loaded"
    # Hostile texts are no slower than others.
    took = page.evaluate("""() => {
        const began = performance.now();
        for (const text of ["*".repeat(20000), "[".repeat(20000), "`".repeat(20000), "> ".repeat(5000) + "x", "_a".repeat(8000), "- ".repeat(5000), "**a ".repeat(5000), "| a ".repeat(3000) + "\\n" + "|-".repeat(3000)]) markdown(text);
        return performance.now() - began;
    }""")
    assert took < 20_000, took
    deepest = page.evaluate("""() => {
        const items = Array.from({ length: 100 }, (_, at) => " ".repeat(2 * at) + "- item").join("\\n");
        const depth = node => 1 + Math.max(0, ...[...node.children ?? []].map(depth));
        return Math.max(...markdown(items).map(depth));
    }""")
    assert deepest < 20, f"lists are nested without a limit: {deepest}"


def reasoning_and_tool_calls_are_shown(page):
    say(page, "think about it")
    idle(page)
    assert page.locator(".thought").count() == 1 and "Let me see." in page.locator(".thought > div").text_content()
    page.click("footer summary")
    page.fill("#tools", TOOLS)
    say(page, "weather in Oslo")
    idle(page)
    call = page.locator(".call")
    assert "Calls get_weather" in call.inner_text() and '"city": "Oslo"' in call.inner_text(), call.inner_text()
    assert "Result of get_weather" in page.get_attribute("#text", "placeholder")
    say(page, "12 degrees")
    idle(page)
    assert "The tools say: 12 degrees" in texts(page)[-1]
    page.click("footer summary")
    pictures(page, "chat-page")
    roles = [message["role"] for message in page.evaluate("talk.messages")]
    assert roles == ["user", "assistant", "user", "assistant", "tool", "assistant"], roles


def the_temperature_is_low_where_the_model_recommends_none(page):
    with page.expect_request("**/v1/chat/completions") as request:
        say(page, "hello")
    body = request.value.post_data_json
    assert body["temperature"] == 0.2 and "model" not in body, body
    idle(page)


def one_of_several_models_is_chosen(page):
    page.route("**/v1/models", lambda route: route.fulfill(json={"data": [{"id": "assistant"}, {"id": "other"}]}))
    page.evaluate("list()")
    page.wait_for_selector("#models:not([hidden])")
    page.select_option("#models", "other")
    with page.expect_request("**/v1/chat/completions") as request:
        say(page, "hello")
    assert request.value.post_data_json["model"] == "other"


TESTS = [
    new_while_an_answer_comes_begins_an_empty_conversation,
    enter_while_an_answer_comes_keeps_the_text,
    stop_keeps_what_was_said,
    a_message_that_failed_leaves_the_history,
    an_answer_that_the_limit_cut_says_so_and_goes_on,
    the_last_line_is_seen,
    markdown_is_shown_and_no_markup_gets_in,
    reasoning_and_tool_calls_are_shown,
    the_temperature_is_low_where_the_model_recommends_none,
    one_of_several_models_is_chosen,
]

with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
    for number, test in enumerate(TESTS):
        page = opened(browser, color_scheme="dark" if number % 2 else "light")
        try:
            test(page)
            assert page.problems == [], page.problems
        except Exception:
            print(f"--- {test.__name__}: {texts(page)}", file=sys.stderr)
            raise
        page.close()
        print(test.__name__, flush=True)
    browser.close()
