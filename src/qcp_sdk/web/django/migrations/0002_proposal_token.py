from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("qcp", "0001_initial")]

    operations = [
        # What was proposed before is about no parking that is known: it has to be proposed again.
        migrations.AddField(
            model_name="proposal", name="token", field=models.BigIntegerField(default=-1), preserve_default=False
        ),
    ]
