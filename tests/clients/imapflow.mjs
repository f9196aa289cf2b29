// imapflow, driven through a day's work: `imapflow.mjs MODULES PORT USER PASSWORD`, MODULES being the folder it is installed in.
// Run by tests/clients/run.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const [modules, port, user, pass] = process.argv.slice(2);
const { ImapFlow } = createRequire(`${modules}/`)('imapflow');
const mail = Buffer.from('From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n' +
  'Message-ID: <flow@example.org>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n' +
  'Content-Type: image/png; name=x.png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n');

function client() {
  return new ImapFlow({ host: '127.0.0.1', port: Number(port), secure: true, auth: { user, pass }, logger: false,
    tls: { rejectUnauthorized: false } });
}

const one = client(), other = client();
await one.connect();
await other.connect();
assert.ok(one.serverInfo.name === 'libmailcore' && one.capabilities.has('IMAP4rev2'));
const listed = await one.list({ statusQuery: { messages: true, unseen: true } });
assert.equal(listed.find(box => box.specialUse === '\\Sent').path, 'Sent');
assert.equal(listed.find(box => box.path === 'Trash').status.messages >= 0, true);

assert.equal((await one.mailboxCreate('Flow/Entwürfe')).created, true);
assert.equal((await one.mailboxRename('Flow/Entwürfe', 'Flow/台北')).newPath, 'Flow/台北');
await one.mailboxOpen('Flow/台北');
await other.mailboxOpen('Flow/台北');
const heard = new Promise(told => other.on('exists', told));
const idling = other.idle();
const appended = await one.append('Flow/台北', mail, ['\\Flagged', '$Label'], new Date('2020-02-29T23:30:00+05:00'));
assert.ok(appended.uid === 1 && appended.uidValidity > 0n);
assert.deepEqual([(await heard).path, (await heard).count], ['Flow/台北', 1]);

assert.deepEqual(await one.search({ header: { 'message-id': 'flow@' }, flagged: true }, { uid: true }), [1]);
assert.deepEqual(await one.search({ subject: 'grüße', or: [{ from: 'ann' }, { from: 'nobody' }] }), [1]);
const fetched = await one.fetchOne('1', { uid: true, flags: true, envelope: true, bodyStructure: true, internalDate: true,
  size: true, source: true, threadId: true, headers: ['subject'], bodyParts: ['1', '2.mime'] });
assert.ok(fetched.source.equals(mail) && fetched.size === mail.length);
assert.equal(fetched.envelope.subject, 'Grüße');
assert.equal(fetched.envelope.from[0].address, 'ann@example.org');
assert.equal(fetched.bodyStructure.childNodes[1].type, 'image/png');
assert.equal(fetched.internalDate.toISOString(), '2020-02-29T18:30:00.000Z');
assert.equal(fetched.bodyParts.get('1').toString(), 'text');
assert.ok(fetched.flags.has('$Label') && typeof fetched.modseq === 'bigint');
const part = await one.download('1', '2');
assert.deepEqual(Buffer.concat(await part.content.toArray()), Buffer.from([0, 0, 0]));

const changed = new Promise(told => other.on('flags', told));
assert.equal(await one.messageFlagsAdd('1', ['\\Seen']), true);
assert.ok((await changed).flags.has('\\Seen'));
const copied = await one.messageCopy('1', 'Archive');
assert.equal(copied.uidMap.size, 1);
const gone = new Promise(told => other.on('expunge', told));
assert.equal((await one.messageMove('1:*', 'Trash')).uidMap.size, 1);
assert.equal((await gone).seq, 1);
assert.equal((await one.status('Flow/台北', { messages: true, uidNext: true })).uidNext, 2);
await other.mailboxClose();
await idling;
await one.mailboxClose();
for (const path of ['Flow/台北', 'Flow']) {
  await one.mailboxDelete(path);
}
await one.logout();
await other.logout();
