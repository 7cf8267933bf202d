// Vite plugins for what is written to dist/ beside the bundle.
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const root = new URL('..', import.meta.url).pathname;

/** Every browser that can run the page reads woff2: the older copies of KaTeX's fonts are dropped. */
export function modernFontsOnly() {
  return {
    name: 'modern-fonts-only',
    enforce: 'pre',
    transform(code, id) {
      if (!/katex\.(min\.)?css$/.test(id.split('?')[0])) return null;
      return code.replace(/,\s*url\([^)]*\.(woff|ttf)\)\s*format\(["'][^)]*["']\)/g, '');
    },
  };
}

/** The licence texts of everything that ends up in the bundle, as one file. */
export function licenses() {
  return {
    name: 'licenses',
    apply: 'build',
    generateBundle() {
      const wanted = ['svelte', ...Object.keys(readPackage(root).dependencies)];
      const seen = new Set();
      const parts = [];
      while (wanted.length > 0) {
        const name = wanted.shift();
        if (seen.has(name)) continue;
        seen.add(name);
        const folder = join(root, 'node_modules', name);
        const described = readPackage(folder);
        // Svelte's own dependencies serve its compiler, which is not shipped.
        if (name !== 'svelte') wanted.push(...Object.keys(described.dependencies ?? {}));
        parts.push(licenseOf(folder, described));
      }
      this.emitFile({ type: 'asset', fileName: 'licenses.txt', source: parts.join('\n\n') });
    },
  };
}

function readPackage(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

function licenseOf(folder, described) {
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  const text = file ? readFileSync(join(folder, file), 'utf8').trim() : '';
  const heading = `${described.name} ${described.version} (${described.license})`;
  return `${heading}\n${'='.repeat(heading.length)}\n${text}\n`;
}

/** A .gz beside each text file, so that the server compresses nothing at run time. */
export function compressed() {
  let folder = '';
  return {
    name: 'compressed',
    apply: 'build',
    configResolved(config) {
      folder = join(config.root, config.build.outDir);
    },
    closeBundle() {
      for (const path of filesUnder(folder)) {
        if (!/\.(js|css|html|svg|txt|json)$/.test(path)) continue;
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
      }
    },
  };
}

function filesUnder(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesUnder(path) : [path];
  });
}
