// A consumer like the vendor's Node.js sample: prints what it does as JSON lines. It is told how by one JSON argument:
// host, port, user, password, ca (PEM file; none: no TLS), and optionally
//   decide: accept (default), release, reject, modify or nothing: what becomes of each message
//   options: for rhea's open_receiver; credit: given by hand, then nothing more
//   drain: ask for a drain after the credit; idle: idle_time_out in ms; frame: max_frame_size
//   quiet: do not print messages, only how many there were, and at the end the milliseconds since generateTime, or with
//   clock "device" since the latest time in the message; of the first `skip` messages only the number
import { readFileSync } from "node:fs";
import process from "node:process";
import rhea from "rhea";

const told = JSON.parse(process.argv[2]);
const say = (event, fields) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
const text = (error) => (error ? { condition: error.condition, description: error.description } : null);

const container = rhea.create_container();
const decisions = {
  accept: (delivery) => delivery.accept(),
  release: (delivery) => delivery.release(),
  reject: (delivery) => delivery.reject(),
  modify: (delivery) => delivery.modified({ delivery_failed: true }),
  nothing: () => {},
};
const latest = (body) => Math.max(...Object.values(JSON.parse(body.toString()).items).map((item) => item.time));
let count = 0;
const delays = [];

container.on("connection_open", (context) => say("open", { container: context.connection.container_id }));
container.on("receiver_open", (context) => {
  const source = context.receiver.remote.attach.source;
  say("receiver_open", { address: source ? source.address : null });
  if (told.credit) {
    context.receiver.add_credit(told.credit);
    if (told.drain) context.receiver.drain_credit();
  }
});
container.on("receiver_drained", () => say("drained", { count }));
container.on("message", (context) => {
  count += 1;
  const { message, delivery } = context;
  const body = message.body.content;
  decisions[told.decide || "accept"](delivery);
  if (told.quiet) {
    const sent = told.clock === "device" ? latest(body) : message.application_properties.generateTime;
    if (count > (told.skip ?? 0)) delays.push(performance.timeOrigin + performance.now() - sent);
    return;
  }
  say("message", {
    id: message.message_id,
    typecode: message.body.typecode,
    body: body.toString("base64"),
    properties: message.application_properties,
    content_type: message.content_type ?? null,
    durable: message.durable ?? null,
    delivery_count: message.delivery_count ?? 0,
  });
});
container.on("receiver_error", (context) => say("receiver_error", { error: text(context.receiver.error) }));
container.on("receiver_close", () => say("receiver_close", {}));
container.on("connection_error", (context) => {
  const { connection, error } = context;
  say("connection_error", { error: text(connection.error) ?? (error ? String(error.message ?? error) : null) });
});
container.on("connection_close", () => say("connection_close", {}));
container.on("disconnected", (context) => say("disconnected", { error: context.error ? String(context.error) : null }));
container.on("error", (error) => say("error", { error: String(error) }));

const connection = container.connect({
  host: told.host,
  port: told.port,
  username: told.user,
  password: told.password,
  ...(told.ca ? { transport: "tls", ca: [readFileSync(told.ca)], servername: "localhost" } : {}),
  reconnect: false,
  idle_time_out: told.idle ?? 60000,
  ...(told.frame ? { max_frame_size: told.frame } : {}),
});
connection.open_receiver(told.options ?? (told.credit ? { credit_window: 0 } : undefined));
if (told.sender) {
  connection.open_sender("anywhere");
  container.on("sender_error", (context) => say("sender_error", { error: text(context.sender.error) }));
}
if (told.second) connection.open_receiver("second");
process.stdin.on("end", () => {
  if (told.quiet) {
    delays.sort((a, b) => a - b);
    const at = (share) => delays[Math.min(Math.floor(delays.length * share), delays.length - 1)];
    say("count", { count, p50: at(0.5), p99: at(0.99) });
  }
  connection.close();
});
process.stdin.resume();
