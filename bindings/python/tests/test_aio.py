"""The mail server for tests in asyncio."""

import asyncio
import smtplib
import unittest
from email.message import EmailMessage

from mailcore import aio, testing


def letter(subject, to="ann@example.org"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "app@example.com", to, subject
    message.set_content("Hi")
    return message


async def send(server, subject, to="ann@example.org"):
    def work():
        with smtplib.SMTP(server.host, server.port, timeout=30) as smtp:
            smtp.send_message(letter(subject, to))

    await asyncio.get_running_loop().run_in_executor(None, work)


class Aio(unittest.IsolatedAsyncioTestCase):
    async def test_what_waits_is_awaited_and_the_loop_goes_on(self):
        async with aio.MailServer(hostname="mx.test") as server:
            waits = [
                asyncio.ensure_future(server.wait_for(subject="second")),
                asyncio.ensure_future(server.wait(2)),
            ]
            await asyncio.sleep(0)
            await send(server, "first")
            self.assertFalse(waits[0].done())
            await send(server, "second")
            mail, both = await asyncio.gather(*waits)
            self.assertEqual((mail.subject, [one.subject for one in both]), ("second", ["first", "second"]))
            self.assertEqual(server.sync.engine.get("hostname"), "mx.test")
            await server.reset()
            self.assertEqual(server.messages, [])

    async def test_a_wait_in_vain_says_what_came(self):
        async with aio.MailServer() as server:
            await send(server, "Other")
            with self.assertRaisesRegex(TimeoutError, "Welcome.*within 0.1 seconds.*<Mail 'Other'"):
                await server.wait_for(subject="Welcome", timeout=0.1)

    async def test_one_that_is_there_is_used_and_stays(self):
        with testing.MailServer() as sync:
            async with aio.MailServer(sync) as server:
                await send(server, "x")
                await server.wait()
            self.assertEqual(len(sync), 1)

    async def test_time_is_moved_and_mail_tried_again(self):
        async with aio.MailServer() as server:
            await server.account("app@example.com")
            server.sync.bounces("gone@example.org", code=451, times=1)
            await send(server, "late", "gone@example.org")
            await server.advance("2 h")
            self.assertEqual((await server.wait_for(to="gone@example.org")).subject, "late")

    async def test_events_end_with_the_engine(self):
        async with aio.MailServer() as server:
            names = []

            async def follow():
                async for event in aio.events(server.sync.engine):
                    names.append(event.name)

            following = asyncio.ensure_future(follow())
            await send(server, "x")
            while "filed" not in names:
                await asyncio.sleep(0.01)
            server.sync.engine.stop(1)
            await asyncio.wait_for(following, 20)
            self.assertEqual(names[-1], "stopped")
