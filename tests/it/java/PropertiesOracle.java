import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/**
 * Says what java.util.Properties makes of files.
 *
 * In, until the end of the stream: the number of files, then for each an
 * encoding (0 Latin-1, 1 UTF-8), a length and the bytes.
 * Out, for each: 0 when it was loaded or 1 when it was refused, the number of
 * definitions that were put before that, and for each the key and the value as
 * a length and UTF-16 units.
 */
public final class PropertiesOracle {
    /** Remembers every definition, also those that later ones override. */
    private static final class Recording extends Properties {
        private static final long serialVersionUID = 1;
        final transient List<String> texts = new ArrayList<>();

        @Override
        public synchronized Object put(Object key, Object value) {
            texts.add((String) key);
            texts.add((String) value);
            return super.put(key, value);
        }
    }

    public static void main(String[] arguments) throws IOException {
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in, 1 << 16));
        DataOutputStream out = new DataOutputStream(new BufferedOutputStream(System.out, 1 << 16));
        while (true) {
            int count;
            try {
                count = in.readInt();
            } catch (EOFException end) {
                return;
            }
            for (int i = 0; i < count; i++) {
                int encoding = in.readByte();
                byte[] bytes = new byte[in.readInt()];
                in.readFully(bytes);
                answer(encoding, bytes, out);
            }
            out.flush();
        }
    }

    private static void answer(int encoding, byte[] bytes, DataOutputStream out) throws IOException {
        Recording properties = new Recording();
        ByteArrayInputStream file = new ByteArrayInputStream(bytes);
        int refused = 0;
        try {
            if (encoding == 0) {
                properties.load(file);
            } else {
                properties.load(new InputStreamReader(file, StandardCharsets.UTF_8));
            }
        } catch (IllegalArgumentException refusal) {
            refused = 1;
        }
        out.writeByte(refused);
        out.writeInt(properties.texts.size() / 2);
        for (String text : properties.texts) {
            out.writeInt(text.length());
            out.writeChars(text);
        }
    }
}
