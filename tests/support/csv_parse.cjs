// Reads files with csv-parse. Takes, on standard input, a list of {file, options}; prints for each the rows, of which each field is
// its text and whether it stood in quotes. What it was told to read as JSON lines it gives to JSON.parse.
const fs = require("node:fs");
const { parse } = require("csv-parse/sync");

const cast = (value, { quoting }) => [value, quoting];
const rows = ({ file, options, json }) => {
  const content = fs.readFileSync(file);
  if (json) return content.toString("utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
  return parse(content, { ...options, cast });
};
process.stdout.write(JSON.stringify(JSON.parse(fs.readFileSync(0, "utf8")).map(rows)));
