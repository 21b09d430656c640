/** Imports an ES module. Apart, because Node.js 8 cannot read the word. */
"use strict";

module.exports = (specifier) => import(specifier);
