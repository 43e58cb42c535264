// GET the item, or POST FILE, with http or https: node_http.js URL [FILE]
"use strict";
const fs = require("fs");

const [url, file] = process.argv.slice(2);
const library = require(url.startsWith("https:") ? "https" : "http");
const options = { agent: false };
if (file) {
  options.method = "POST";
  options.headers = { "Content-Length": fs.statSync(file).size };
}
const request = library.request(url, options, (answer) => {
  answer.pipe(process.stdout);
});
if (file) {
  fs.createReadStream(file).pipe(request);
} else {
  request.end();
}
