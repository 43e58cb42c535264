// Send FILE and print the answer through a SocketChannel and a Selector: JavaNio PORT FILE
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;

class JavaNio {
    private final Selector selector = Selector.open();
    private final SocketChannel channel = SocketChannel.open();
    private final FileChannel file;
    private final ByteBuffer buffer = ByteBuffer.allocate(65536);
    private final SelectionKey key;
    private boolean open = true;

    private JavaNio(int port, Path path) throws Exception {
        file = FileChannel.open(path);
        buffer.flip();
        channel.configureBlocking(false);
        boolean connected = channel.connect(new InetSocketAddress("127.0.0.1", port));
        key = channel.register(selector, connected ? SelectionKey.OP_WRITE : SelectionKey.OP_CONNECT);
    }

    private void run() throws Exception {
        while (open) {
            selector.select();
            selector.selectedKeys().clear();
            if (key.isConnectable() && channel.finishConnect()) {
                key.interestOps(SelectionKey.OP_WRITE);
            } else if (key.isWritable()) {
                send();
            } else if (key.isReadable()) {
                receive();
            }
        }
        System.out.flush();
    }

    private void send() throws Exception {
        if (!buffer.hasRemaining() && !fill()) {
            key.interestOps(SelectionKey.OP_READ);
        }
        channel.write(buffer);
    }

    private boolean fill() throws Exception {
        buffer.clear();
        boolean more = file.read(buffer) > 0;
        buffer.flip();
        return more;
    }

    private void receive() throws Exception {
        buffer.clear();
        open = channel.read(buffer) >= 0;
        System.out.write(buffer.array(), buffer.arrayOffset(), buffer.position());
        buffer.flip().position(buffer.limit());
    }

    public static void main(String[] arguments) throws Exception {
        new JavaNio(Integer.parseInt(arguments[0]), Path.of(arguments[1])).run();
    }
}
