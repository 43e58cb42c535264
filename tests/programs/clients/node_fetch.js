// GET the item, or POST FILE, with fetch(): node_fetch.js URL [FILE]
"use strict";
const fs = require("fs");

const [url, file] = process.argv.slice(2);
const options = file ? { method: "POST", body: fs.readFileSync(file) } : {};
fetch(url, options).then((answer) => answer.text()).then((text) => {
  process.stdout.write(text);
});
