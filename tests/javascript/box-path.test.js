// The scripts find the box of a line at a time as the server does: see `test_javascript.py`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { boxAt, parsePath } from "../../static/gallery/scenes/box-path.js";

const { paths } = JSON.parse(readFileSync(process.env.CASES, "utf-8"));

test("boxes of lines that move are where the server has them", () => {
  for (const { path, time, box } of paths) {
    for (const [number, edge] of boxAt(parsePath(path), time).entries()) {
      assert.ok(Math.abs(edge - box[number]) < 1e-3, `edge ${number} of ${path} at ${time}`);
    }
  }
});
