"""The worked example of the device protocol (11.2) in all three languages.

One byte type (0 post, 1 set, 2 reply to a post, 3 reply to a set), four bytes id, then a temperature (int16) and a
switch (uint8), or a code.
"""

from thingplane.scripts.language import Language
from thingplane.scripts.process import Script

POST = bytes.fromhex("000000004dff8501")
POST_MESSAGE = {
    "method": "thing.event.property.post",
    "version": "1.0",
    "id": "77",
    "params": {"temp": -123, "sw": 1},
}
POST_REPLY_MESSAGE = {
    "id": "77",
    "code": 200,
    "method": "thing.event.property.post",
    "version": "1.0",
    "data": {},
}
POST_REPLY = bytes.fromhex("020000004dc8")
SET_MESSAGE = {
    "method": "thing.service.property.set",
    "id": "12345",
    "version": "1.0",
    "params": {"temp": 333, "sw": 1},
}
SET = bytes.fromhex("0100003039014d01")
SET_REPLY = bytes.fromhex("0300003039c8")
SET_REPLY_MESSAGE = {"id": "12345", "code": "200", "data": {}, "version": "1.0"}

JAVASCRIPT = """
var POST = 0, SET = 1, POST_REPLY = 2, SET_REPLY = 3;
var calls = 0;

function rawDataToProtocol(bytes) {
    calls++;
    var data = new Uint8Array(bytes.length);
    for (var i = 0; i < bytes.length; i++) data[i] = bytes[i] & 0xff;
    var view = new DataView(data.buffer);
    var message = { version: '1.0', id: '' + view.getInt32(1) };
    if (data[0] == POST) {
        message.method = 'thing.event.property.post';
        message.params = { temp: view.getInt16(5), sw: data[7] };
    } else if (data[0] == SET_REPLY) {
        message.code = '' + data[5];
        message.data = {};
    } else {
        return;
    }
    if (calls !== 1) message.id = 'called before';
    return message;
}

function protocolToRawData(message) {
    var id = number(parseInt(message.id), 4);
    if (message.method == 'thing.service.property.set') {
        return [].concat(SET, id, number(message.params.temp, 2), message.params.sw);
    }
    if (message.method == 'thing.event.property.post') return [].concat(POST_REPLY, id, message.code);
    return [];
}

function transformPayload(topic, bytes) {
    var message = rawDataToProtocol(bytes);
    return { topic: topic, temp: message.params.temp, sw: message.params.sw };
}

function number(value, length) {
    var bytes = [];
    for (var shift = 8 * (length - 1); shift >= 0; shift -= 8) bytes.push(value >> shift & 0xff);
    return bytes;
}
"""

PYTHON = """
# -*- coding: utf-8 -*-
POST, SET, POST_REPLY, SET_REPLY = range(4)
calls = 0


def raw_data_to_protocol(bytes):
    global calls
    calls += 1
    data = [byte & 0xff for byte in bytes]
    message = {"version": "1.0", "id": str(number(data[1:5]))}
    if data[0] == POST:
        temp = number(data[5:7])
        message["method"] = "thing.event.property.post"
        message["params"] = {"temp": temp - 0x10000 if temp > 0x7fff else temp, "sw": data[7]}
    elif data[0] == SET_REPLY:
        message["code"] = str(data[5])
        message["data"] = {}
    else:
        return None
    if calls != 1:
        message["id"] = "called before"
    return message


def protocol_to_raw_data(message):
    id = to_bytes(int(message["id"]), 4)
    method = message.get("method")
    if method == "thing.service.property.set":
        params = message["params"]
        return [SET] + id + to_bytes(params["temp"], 2) + [params["sw"]]
    if method == "thing.event.property.post":
        return [POST_REPLY] + id + [message["code"]]
    return []


def transform_payload(topic, bytes):
    params = raw_data_to_protocol(bytes)["params"]
    return {"topic": topic, "temp": params["temp"], "sw": params["sw"]}


def number(data):
    value = 0
    for byte in data:
        value = value * 256 + byte
    return value


def to_bytes(value, length):
    return [value / 256 ** place % 256 for place in reversed(xrange(length))]
"""

PHP = """<?php
const POST = 0, SET = 1, POST_REPLY = 2, SET_REPLY = 3;
$calls = 0;

function rawDataToProtocol($bytes)
{
    global $calls;
    $calls++;
    $data = array_map(function ($byte) { return $byte & 0xff; }, $bytes);
    $message = array('version' => '1.0', 'id' => '' . number(array_slice($data, 1, 4)));
    if ($data[0] == POST) {
        $temp = number(array_slice($data, 5, 2));
        $message['method'] = 'thing.event.property.post';
        $message['params'] = array('temp' => $temp > 0x7fff ? $temp - 0x10000 : $temp, 'sw' => $data[7]);
    } elseif ($data[0] == SET_REPLY) {
        $message['code'] = '' . $data[5];
        $message['data'] = new stdClass();
    } else {
        return null;
    }
    if ($calls != 1) {
        $message['id'] = 'called before';
    }
    return $message;
}

function protocolToRawData($message)
{
    $id = toBytes((int) $message['id'], 4);
    $method = isset($message['method']) ? $message['method'] : '';
    if ($method == 'thing.service.property.set') {
        return array_merge(array(SET), $id, toBytes($message['params']['temp'], 2), array($message['params']['sw']));
    }
    if ($method == 'thing.event.property.post') {
        return array_merge(array(POST_REPLY), $id, array($message['code']));
    }
    return array();
}

function transformPayload($topic, $bytes)
{
    $message = rawDataToProtocol($bytes);
    return array_merge(array('topic' => $topic), $message['params']);
}

function number($data)
{
    return array_reduce($data, function ($value, $byte) { return $value * 256 + $byte; }, 0);
}

function toBytes($value, $length)
{
    return array_values(unpack('C*', substr(pack('N', $value), -$length)));
}
"""

SCRIPTS = {
    Language.JAVASCRIPT: Script(Language.JAVASCRIPT, JAVASCRIPT),
    Language.PYTHON: Script(Language.PYTHON, PYTHON),
    Language.PHP: Script(Language.PHP, PHP),
}
