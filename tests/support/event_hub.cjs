// An AMQP 1.0 server that speaks for Event Hubs, as far as its Python client asks: tokens, the partitions of a hub, batches of events.
//
// Arguments: a JSON object with `rhea` (folder of the package), `key` (of the shared access policy), `hub`, `partitions`, and `certificate`
// and `pem` for TLS. Prints the ports as one line of JSON: `amqp`, `amqps`, `ws`, `wss`, and `control`, which answers GET with what came, and
// takes by POST what is to be said. Ends with its standard input.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const https = require('https');
const path = require('path');

const options = JSON.parse(process.argv[2]);
const lib = name => require(path.join(options.rhea, 'lib', name));
const rhea = require(options.rhea);
const frames = lib('frames.js');
const types = lib('types.js');
const message = lib('message.js');

// The client reads frames by fixed positions: it expects all fields, and a number where rhea leaves its default out.
const FIELDS = {0x10: 10, 0x11: 8, 0x12: 14, 0x13: 11, 0x14: 11, 0x15: 6, 0x16: 3, 0x17: 1, 0x18: 1};
const amqpFrame = frames.amqp_frame;
frames.amqp_frame = (channel, performative, payload) => {
  const code = performative && performative.constructor.descriptor ? performative.constructor.descriptor.numeric : undefined;
  const fields = FIELDS[code] || 0;
  if (code === 0x10 && !performative.channel_max) performative.channel_max = 255;
  if (code === 0x10 && !performative.max_frame_size) performative.max_frame_size = 65536;
  if (code === 0x11 && typeof performative.handle_max !== 'number') performative.handle_max = 255;
  for (let place = 0; place < fields; place++) performative.value[place] ||= types.wrap(null);
  return amqpFrame(channel, performative, payload);
};

const BATCH = 0x80013700;
const state = {};
function reset() {
  // events: what lies in each partition; transfers: each in its order, with what was said to it; names: of the tokens that came
  Object.assign(state, {events: {}, transfers: [], names: [], connections: 0, script: [], by: {}, refused: '', attach: [], token: null, open: null, size: 1 << 20});
}
reset();

const container = rhea.create_container({id: 'hub', receiver_options: {autoaccept: false, credit_window: 300}});

function isValid(token) { // a shared access signature of the policy's key, or the token of the identity that tests play
  if (!token.startsWith('SharedAccessSignature ')) return token === 'a token of this machine';
  const parts = Object.fromEntries(new URLSearchParams(token.slice(22)));
  const raw = Object.fromEntries(token.slice(22).split('&').map(each => each.split(/=(.*)/s).slice(0, 2)));
  const signature = crypto.createHmac('sha256', options.key).update(`${raw.sr}\n${raw.se}`).digest('base64');
  return signature === parts.sig.replace(/ /g, '+');
}

function answerOf(address, asked) {
  const properties = asked.application_properties;
  if (address === '$cbs') {
    state.names.push(properties.name);
    const token = state.token || (isValid(asked.body) ? [202, 'Accepted'] : [401, `InvalidSignature: The token has an invalid signature: ${asked.body}`]);
    return {'status-code': types.wrap_int(token[0]), 'status-description': token[1]};
  }
  if (properties.name !== options.hub) return {'status-code': types.wrap_int(404), 'status-description': 'The messaging entity could not be found.'};
  return {'status-code': types.wrap_int(200), 'status-description': 'OK'};
}

function respond(context, address) {
  const asked = context.message;
  const body = address === '$cbs' ? null : types.wrap_map({
    name: options.hub, type: 'com.microsoft:eventhub', created_at: types.wrap_timestamp(0),
    partition_count: types.wrap_int(options.partitions),
    partition_ids: types.wrap_array([...Array(options.partitions).keys()].map(String), 0xa1),
  });
  const sender = context.connection.answering[address];
  sender.send({correlation_id: asked.message_id, application_properties: answerOf(address, asked), body});
  context.delivery.accept();
}

function eventsIn(data) {
  const events = [];
  const reader = new types.Reader(data);
  while (reader.remaining()) {
    const section = reader.read();
    if (Number(section.descriptor.value) === 0x75) events.push(message.decode(Buffer.from(section.value)).body.content.toString());
  }
  return events;
}

function take(context) {
  const address = context.receiver.remote.attach.target.address.split('/');
  const partition = address.at(-2) === 'Partitions' ? address.at(-1) : '';
  const events = context.format === BATCH ? eventsIn(context.message) : [context.message.body.content.toString()];
  const isRefused = state.refused && events.some(each => JSON.parse(each).id === state.refused);
  const refusal = {say: 'reject', condition: 'com.microsoft:argument-error'};
  const say = isRefused ? refusal : state.by[partition] || state.script.shift() || {};
  state.transfers.push({partition, events, said: say.say || 'accept'});
  if (!say.say || say.say === 'lose' || say.say === 'silence') (state.events[partition] ||= []).push(...events);
  if (say.say === 'reject') context.delivery.reject({condition: say.condition, description: say.description || '', info: types.wrap_map({})});
  else if (say.say === 'release') context.delivery.release();
  else if (say.say === 'modify') context.delivery.modified({undeliverable_here: true});
  else if (say.say === 'detach') context.receiver.close({condition: say.condition, description: say.description || ''});
  else if (say.say === 'close') context.connection.close({condition: say.condition, description: say.description || '', info: types.wrap_map({})});
  else if (say.say === 'lose' || say.say === 'cut') context.connection.socket.destroy ? context.connection.socket.destroy() : context.connection.socket.end();
  else if (say.say !== 'silence') setTimeout(() => context.delivery.accept(), say.wait || 0);
}

container.on('connection_open', context => {
  state.connections++;
  context.connection.answering = {};
});
container.on('sender_open', context => {
  context.sender.set_source(context.sender.source);
  context.sender.set_target(context.sender.target);
  context.connection.answering[context.sender.source.address] = context.sender;
});
container.on('receiver_open', context => {
  const receiver = context.receiver;
  const address = receiver.target.address;
  const unknown = {condition: 'amqp:not-found', description: `The messaging entity '${address}' could not be found.`};
  const refusal = address.startsWith('$') ? undefined : address.split('/')[3] === options.hub ? state.attach.shift() : unknown;
  receiver.local.attach.max_message_size = state.size;
  if (refusal) return receiver.close(refusal); // its ATTACH has neither source nor target
  receiver.set_source(receiver.source);
  receiver.set_target(receiver.target);
});
container.on('message', context => {
  const address = context.receiver.remote.attach.target.address;
  if (address.startsWith('$')) respond(context, address);
  else take(context);
});
for (const event of ['disconnected', 'connection_error', 'connection_close', 'protocol_error', 'error', 'receiver_error', 'sender_error', 'session_error'])
  container.on(event, () => undefined);

// Websockets: of RFC 6455 what the client uses, whole binary frames.
function websocket(server) {
  server.on('upgrade', (request, socket) => {
    const accept = crypto.createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
    const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Protocol: AMQPWSB10'];
    socket.write([...lines, `Sec-WebSocket-Accept: ${accept}`, '', ''].join('\r\n'));
    const wrapped = {send: data => socket.write(framed(data)), close: () => socket.destroy()};
    let rest = Buffer.alloc(0);
    socket.on('data', data => {
      rest = Buffer.concat([rest, data]);
      for (let found = frameIn(rest); found; found = frameIn(rest)) {
        rest = rest.subarray(found.size);
        if (found.code === 8) socket.destroy();
        else if (found.code < 3 && wrapped.onmessage) wrapped.onmessage({data: found.data});
      }
    });
    socket.on('close', () => wrapped.onclose && wrapped.onclose());
    socket.on('error', () => undefined);
    container.websocket_accept(wrapped);
  });
  return server;
}

function framed(data) {
  const head = data.length < 126 ? Buffer.from([0x82, data.length]) : Buffer.alloc(data.length < 65536 ? 4 : 10);
  if (data.length >= 126) {
    head[0] = 0x82;
    head[1] = data.length < 65536 ? 126 : 127;
    if (data.length < 65536) head.writeUInt16BE(data.length, 2);
    else head.writeBigUInt64BE(BigInt(data.length), 2);
  }
  return Buffer.concat([head, data]);
}

function frameIn(buffer) {
  if (buffer.length < 2) return null;
  const short = buffer[1] & 0x7f;
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (buffer.length < start + 4) return null;
  const length = short < 126 ? short : short === 126 ? buffer.readUInt16BE(2) : Number(buffer.readBigUInt64BE(2));
  const size = start + 4 + length;
  if (buffer.length < size) return null;
  const mask = buffer.subarray(start, start + 4);
  const data = Buffer.from(buffer.subarray(start + 4, size).map((byte, place) => byte ^ mask[place % 4]));
  return {code: buffer[0] & 0x0f, data, size};
}

const control = http.createServer((request, response) => {
  let text = '';
  request.on('data', data => (text += data));
  request.on('end', () => {
    if (request.method === 'POST') {
      const said = JSON.parse(text);
      if (said.reset) reset();
      Object.assign(state, said.say);
    }
    response.setHeader('Connection', 'close');
    response.end(JSON.stringify(state));
  });
});

const tls = options.certificate ? {cert: fs.readFileSync(options.certificate), key: fs.readFileSync(options.pem)} : undefined;
const servers = {
  amqp: container.listen({port: 0, host: '127.0.0.1'}),
  amqps: container.listen({port: 0, host: '127.0.0.1', transport: 'tls', ...tls}),
  ws: websocket(http.createServer()).listen(0, '127.0.0.1'),
  wss: websocket(https.createServer(tls)).listen(0, '127.0.0.1'),
  control: control.listen(0, '127.0.0.1'),
};
servers.amqps.on('tlsClientError', () => undefined);
servers.wss.on('tlsClientError', () => undefined);
Promise.all(Object.values(servers).map(each => new Promise(done => (each.listening ? done() : each.on('listening', done))))).then(() =>
  console.log(JSON.stringify(Object.fromEntries(Object.entries(servers).map(([name, each]) => [name, each.address().port])))));
process.on('uncaughtException', error => console.error(error.stack));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
