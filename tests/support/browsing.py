"""Somebody at a browser: steps that tests of several folders begin with."""

from playwright.async_api import Page

from .hub import Person


async def log_in(page: Page, person: Person) -> None:
    """Log in by the login page; lands on the home page, and waits until that has asked what it asks at first.

    Its question for the server's status signs in there; a page of the server opened in the same moment would sign in at
    the same time, and one of the two would be refused.
    """
    await page.goto(f"{person.hub.url}/hub/login?next=%2Fhub%2Fhome")
    await page.get_by_label("Username").fill(person.name)
    await page.locator("input[type=password]").fill(person.password)
    await page.locator("input[type=submit], button[type=submit]").first.click()
    await page.wait_for_url("**/hub/home")
    await page.wait_for_load_state("networkidle")
