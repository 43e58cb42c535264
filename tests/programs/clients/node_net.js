// Send FILE and print the answer through a net.Socket: node_net.js PORT FILE
"use strict";
const fs = require("fs");
const net = require("net");

const [port, file] = process.argv.slice(2);
const socket = net.connect({ host: "127.0.0.1", port: Number(port) });
fs.createReadStream(file).pipe(socket, { end: false });
socket.pipe(process.stdout);
