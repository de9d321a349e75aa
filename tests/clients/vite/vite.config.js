import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';

/** Leaves a .br and a .gz beside each script and each style, as the usual plugins do. */
const compress = {
  name: 'compress',
  writeBundle({ dir }, bundle) {
    for (const name of Object.keys(bundle).filter((one) => /\.(js|css)$/.test(one))) {
      const file = path.join(dir, name);
      const content = fs.readFileSync(file);
      fs.writeFileSync(`${file}.br`, zlib.brotliCompressSync(content));
      fs.writeFileSync(`${file}.gz`, zlib.gzipSync(content));
    }
  },
};

export default {
  esbuild: { jsxFactory: 'h' },
  plugins: [compress],
};
