// Colours code off the page's thread. Answers with the coloured stretches, not with HTML.
import hljs from 'highlight.js/lib/common';
import cmake from 'highlight.js/lib/languages/cmake';
import clojure from 'highlight.js/lib/languages/clojure';
import dart from 'highlight.js/lib/languages/dart';
import dockerfile from 'highlight.js/lib/languages/dockerfile';
import elixir from 'highlight.js/lib/languages/elixir';
import erlang from 'highlight.js/lib/languages/erlang';
import fortran from 'highlight.js/lib/languages/fortran';
import haskell from 'highlight.js/lib/languages/haskell';
import http from 'highlight.js/lib/languages/http';
import julia from 'highlight.js/lib/languages/julia';
import latex from 'highlight.js/lib/languages/latex';
import lisp from 'highlight.js/lib/languages/lisp';
import matlab from 'highlight.js/lib/languages/matlab';
import nginx from 'highlight.js/lib/languages/nginx';
import nix from 'highlight.js/lib/languages/nix';
import ocaml from 'highlight.js/lib/languages/ocaml';
import powershell from 'highlight.js/lib/languages/powershell';
import protobuf from 'highlight.js/lib/languages/protobuf';
import scala from 'highlight.js/lib/languages/scala';
import verilog from 'highlight.js/lib/languages/verilog';
import x86asm from 'highlight.js/lib/languages/x86asm';
import { stretchesOf, type HighlightAnswer, type HighlightRequest } from './stretches';

const kMore = {
  cmake,
  clojure,
  dart,
  dockerfile,
  elixir,
  erlang,
  fortran,
  haskell,
  http,
  julia,
  latex,
  lisp,
  matlab,
  nginx,
  nix,
  ocaml,
  powershell,
  protobuf,
  scala,
  verilog,
  x86asm,
};
for (const [name, language] of Object.entries(kMore)) hljs.registerLanguage(name, language);
hljs.registerAliases(['cuda', 'cu'], { languageName: 'cpp' });

addEventListener('message', (event: MessageEvent<HighlightRequest>) => {
  const { id, language, text } = event.data;
  const answer: HighlightAnswer = { id, stretches: [] };
  if (hljs.getLanguage(language)) {
    answer.stretches = stretchesOf(hljs.highlight(text, { language, ignoreIllegals: true }).value);
  }
  postMessage(answer);
});
