// Files that are to be read by the model: text only.
import type { WordKey } from '../i18n/index.svelte';

export const kMaxFileBytes = 4 << 20;

export type FileResult = { name: string; text: string } | { name: string; refused: WordKey };

const kImageName = /\.(png|jpe?g|gif|webp|bmp|ico|heic|avif|tiff?)$/i;

export async function readTextFile(file: File): Promise<FileResult> {
  const { name } = file;
  // SVG is text; as text it may pass.
  const image = file.type.startsWith('image/') && file.type !== 'image/svg+xml';
  if (image || kImageName.test(name)) return { name, refused: 'fileImage' };
  if (file.size === 0) return { name, refused: 'fileEmpty' };
  if (file.size > kMaxFileBytes) return { name, refused: 'fileTooBig' };
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (bytes.subarray(0, 8192).includes(0)) return { name, refused: 'fileBinary' };
  try {
    return { name, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { name, refused: 'fileEncoding' };
  }
}
