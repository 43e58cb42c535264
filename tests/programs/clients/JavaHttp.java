// GET the item, or POST FILE, with java.net.http: JavaHttp URL [FILE]
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;

class JavaHttp {
    public static void main(String[] arguments) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(arguments[0]));
        if (arguments.length > 1) {
            request.POST(HttpRequest.BodyPublishers.ofFile(Path.of(arguments[1])));
        }
        System.out.print(HttpClient.newHttpClient()
                .send(request.build(), HttpResponse.BodyHandlers.ofString()).body());
    }
}
